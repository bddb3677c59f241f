package peers

import (
	"fmt"
	"math"
	"strconv"
)

// DataSet is made anew, and the same, each time that it is read.
type DataSet struct {
	// Start and End bound the times in milliseconds: Start inclusive, End exclusive.
	Start, End int64
	// Interval is the time between scrapes, in milliseconds.
	Interval int64
	Series   []Series
	// recorded are the times of each target's scrapes where they were seen, not made.
	recorded [][]int64
}

// Series is one of a data set.
type Series struct {
	// Labels are pairs of name and value, in the order of the names.
	Labels [][2]string
	// Target says with which others it shares its times.
	Target int
	// Next gives the value of the next scrape. It is called once for each, in order, after
	// Reset.
	Next  func() float64
	Reset func()
}

// Size says how large a data set is.
type Size struct {
	Counters, Histograms, Gauges int
	Targets                      int
	Duration                     int64
	// Restarts is how many of a hundred targets restart once: their counters begin anew.
	Restarts int
}

// Anchors is the size for which the project's figures are given: 24 hours of 2,000 counters and
// 200 histograms of 11 buckets, 24.2 million samples at 15 s, of 100 targets.
var Anchors = Size{Counters: 2000, Histograms: 200, Targets: 100, Duration: 24 * hour, Restarts: 2}

// FullPrecision is as large as the counters of [Anchors], but gauges of 17 digits.
var FullPrecision = Size{Gauges: 2000, Targets: 100, Duration: 24 * hour}

const (
	hour = 60 * minute
	// Interval is how often the targets of the data sets are scraped.
	Interval = 15_000
	minute   = 60_000
)

var bounds = [11]string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"}

// Make gives a data set that ends at `end`:
//
//	m{g, instance}                           counters, 20 values of g
//	h_bucket{g, instance, le}                histograms
//	f{g, instance}                           gauges of full precision
//
// Every target's times are off by up to 2 ms, so that no server profits from regular ones.
func Make(size Size, end int64) *DataSet {
	set := &DataSet{Start: end - size.Duration, End: end, Interval: Interval}
	scrapes := int(size.Duration / Interval)
	restart := func(target int) int {
		if size.Restarts > 0 && target*size.Restarts/100 != (target+1)*size.Restarts/100 {
			return scrapes * (target%7 + 1) / 9
		}
		return -1
	}
	pairs := func(name string, i int, more ...[2]string) [][2]string {
		labels := [][2]string{
			{"__name__", name}, {"g", fmt.Sprintf("group-%02d", i%20)}, {"instance", fmt.Sprintf("host-%04d:9100", i)},
		}
		return append(labels, more...)
	}
	for i := range size.Counters {
		target := i % size.Targets
		at := restart(target)
		walk := func(noise *noise) func() float64 {
			rate := 5 + noise.unit()*60
			value, scrape := float64(noise.below(1_000_000)), 0
			return func() float64 {
				if scrape == at {
					value = 0
				}
				scrape++
				value += noise.events(rate)
				return value
			}
		}
		set.add(pairs("m", i), target, uint64(i), walk)
	}
	for i := range size.Histograms {
		target := i % size.Targets
		at := restart(target)
		// A bucket counts what the one before it counts and more, so all of a histogram draw
		// the same observations.
		for bucket, le := range bounds {
			walk := func(noise *noise) func() float64 {
				rate := 2 + noise.unit()*20
				value, scrape := 0.0, 0
				return func() float64 {
					if scrape == at {
						value = 0
					}
					scrape++
					for range int(noise.events(rate)) {
						if drawn := noise.unit() * 12; drawn < float64(bucket+1) || bucket == len(bounds)-1 {
							value++
						}
					}
					return value
				}
			}
			set.add(pairs("h_bucket", i, [2]string{"le", le}), target, 1_000_000+uint64(i), walk)
		}
	}
	for i := range size.Gauges {
		walk := func(noise *noise) func() float64 {
			value := 50 + noise.unit()
			return func() float64 {
				value += noise.normal() * 0.5
				return value
			}
		}
		set.add(pairs("f", i), i%size.Targets, 2_000_000+uint64(i), walk)
	}
	return set
}

func (d *DataSet) add(labels [][2]string, target int, seed uint64, walk func(*noise) func() float64) {
	at := len(d.Series)
	d.Series = append(d.Series, Series{Labels: labels, Target: target})
	series := &d.Series[at]
	series.Reset = func() {
		noise := noise(seed*7919 + 1)
		series := &d.Series[at]
		series.Next = walk(&noise)
	}
	series.Reset()
}

// Samples is how many there are in all.
func (d *DataSet) Samples() int { return len(d.Series) * int((d.End-d.Start)/d.Interval) }

// Time is when a target was scraped for the nth time.
func (d *DataSet) Time(target, scrape int) int64 {
	if d.recorded != nil {
		return d.recorded[target][scrape]
	}
	jitter := noise(uint64(target)<<32 | uint64(scrape))
	offset := int64(target) * 137 % (d.Interval - 10)
	return d.Start + 5 + offset + int64(scrape)*d.Interval + int64(jitter.below(5)) - 2
}

// noise is a small generator of reproducible noise (SplitMix64).
type noise uint64

func (n *noise) next() uint64 {
	*n += 0x9e37_79b9_7f4a_7c15
	z := uint64(*n)
	z = (z ^ (z >> 30)) * 0xbf58_476d_1ce4_e5b9
	z = (z ^ (z >> 27)) * 0x94d0_49bb_1331_11eb
	return z ^ (z >> 31)
}

func (n *noise) below(bound uint64) uint64 { return n.next() % bound }

func (n *noise) unit() float64 { return float64(n.next()>>11) / (1 << 53) }

// normal is about normal, with mean 0 and deviation 1.
func (n *noise) normal() float64 {
	bits := [2]uint64{n.next(), n.next()}
	sum := 0.0
	for _, word := range bits {
		for range 4 {
			sum += float64(word & 0xffff)
			word >>= 16
		}
	}
	return (sum/0x1_0000 - 4) * math.Sqrt(1.5)
}

// events is how many of a mean came in an interval.
func (n *noise) events(mean float64) float64 {
	return max(0, math.Round(mean+math.Sqrt(mean)*n.normal()))
}

// Label finds a label's value.
func (s *Series) Label(name string) string {
	for _, pair := range s.Labels {
		if pair[0] == name {
			return pair[1]
		}
	}
	return ""
}

// Millions formats a number of samples.
func Millions(samples int) string {
	return strconv.FormatFloat(float64(samples)/1e6, 'f', 1, 64) + " M"
}
