package peers

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	recording = flag.Duration("record", 150*time.Second, "how long real pages are recorded, at one a second")
	kindOnly  = flag.String("kind", "", "a part of the name of the kinds of values to measure at rest, such as counters")
	days      = flag.Int("days", 2, "days of 2,000 series at 15 s with which servers are started; at most 14, for older samples are beyond what is kept")
)

const day = 24 * hour

// storageKind is a kind of values for which bytes at rest are given.
type storageKind struct {
	name string
	walk func(series int, noise *noise) func() float64
	// bits is what a sample takes at the least: the entropy of the steps from one value to the
	// next, of each series for itself.
	bits func(series int, set *DataSet) float64
}

// rate is how far a counter goes from one sample to the next on average.
func rate(series int) float64 { return 20 + float64(series*37%200) }

var bucketRates = [11]float64{0, 0.1, 0.5, 2, 5, 8, 9.5, 9.9, 10, 10, 10}

func counting(start float64, rate float64, noise *noise) func() float64 {
	value := start
	return func() float64 {
		value += noise.events(rate)
		return value
	}
}

var storageKinds = []storageKind{
	{
		"counters",
		func(series int, noise *noise) func() float64 {
			return counting(float64(noise.below(1_000_000)), rate(series), noise)
		},
		func(series int, _ *DataSet) float64 { return normalBits(math.Sqrt(rate(series))) },
	},
	{
		"histogram buckets",
		func(series int, noise *noise) func() float64 {
			return counting(float64(noise.below(1_000_000)), bucketRates[series%11], noise)
		},
		func(series int, _ *DataSet) float64 { return normalBits(math.Sqrt(bucketRates[series%11])) },
	},
	{
		"gauge in bytes",
		func(series int, noise *noise) func() float64 {
			value := 100_000 + float64(noise.below(10_000))
			return func() float64 {
				value += float64(noise.below(128)) - 64
				return value * 4096
			}
		},
		func(int, *DataSet) float64 { return 7 },
	},
	{
		"gauge in hundredths",
		func(series int, noise *noise) func() float64 {
			value := 5000.0
			return func() float64 {
				value += math.Round(noise.normal() * 40)
				return value / 100
			}
		},
		func(int, *DataSet) float64 { return normalBits(40) },
	},
	{
		"gauge of full precision",
		func(series int, noise *noise) func() float64 {
			value := 50 + noise.unit()
			return func() float64 {
				value += noise.normal() * 0.5
				return value
			}
		},
		// A step of deviation 0.5 in units of the last place, which depend on how large the
		// value is.
		func(series int, set *DataSet) float64 {
			set.Series[series].Reset()
			const values = 500
			sum := 0.0
			for range values {
				_, exponent := math.Frexp(set.Series[series].Next())
				sum += math.Log2(0.5*math.Sqrt(2*math.Pi*math.E)) - float64(exponent-53)
			}
			return sum / values
		},
	},
}

// normalBits is the entropy of a normal distribution in steps of one.
func normalBits(deviation float64) float64 {
	if deviation == 0 {
		return 0
	}
	density := func(at float64) float64 { return math.Exp(-0.5 * (at / deviation) * (at / deviation)) }
	reach := math.Ceil(6 * deviation)
	whole, bits := 0.0, 0.0
	for at := -reach; at <= reach; at++ {
		whole += density(at)
	}
	for at := -reach; at <= reach; at++ {
		if p := density(at) / whole; p > 0 {
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

// makeKind gives series of one kind, all of one target, from `start` on.
func makeKind(kind storageKind, series int, start, duration int64) *DataSet {
	set := &DataSet{Start: start, End: start + duration, Interval: Interval}
	for i := range series {
		labels := [][2]string{
			{"__name__", "app_requests_total"}, {"g", strconv.Itoa(i % 20)},
			{"instance", fmt.Sprintf("host-%02d:9100", i/11%50)}, {"job", "wiki"}, {"n", strconv.Itoa(i)},
		}
		set.add(labels, 0, uint64(i)+1, func(noise *noise) func() float64 { return kind.walk(i, noise) })
	}
	return set
}

func (d *DataSet) entropy(kind storageKind) float64 {
	sum := 0.0
	for i := range d.Series {
		sum += kind.bits(i, d)
	}
	return sum / float64(len(d.Series)) / 8
}

// yesterday is the begin of the last day that is over so long that every server has it on disk.
func yesterday() int64 {
	now := time.Now().UnixMilli()
	return (now-3*hour-2*minute)/day*day - day
}

// atRest is what samples take in files when there is nothing more to tidy up: logs and caches
// are not counted, which every server keeps for a while however few the samples are.
func (s *Server) atRest() (total int64, err error) {
	aside := map[string]bool{"wal": true, "chunks_head": true, "cache": true, "tmp": true}
	err = filepath.WalkDir(s.Dir, func(_ string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir() && aside[entry.Name()]:
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// resting is a server that was fed and has not come to rest yet.
type resting struct {
	server *Server
	set    *DataSet
}

// feedToRest starts a server, feeds it, and has it know that time went on.
func feedToRest(b *testing.B, kind Kind, set *DataSet) (resting, error) {
	server, err := Start(kind, b.TempDir())
	if err != nil {
		return resting{}, err
	}
	b.Cleanup(server.Stop)
	if _, err := Feed(server, set); err != nil {
		return resting{}, err
	}
	marker := Sample{Time: set.End + 3*hour + minute, Value: 1}
	return resting{server, set}, server.Write([][2]string{{"__name__", "later"}}, marker)
}

// bytesPerSample waits until the server has come to rest, and ends it.
func (r resting) bytesPerSample(b *testing.B) (float64, error) {
	ctx, cancel := context.WithTimeout(b.Context(), 4*time.Minute)
	defer cancel()
	defer r.server.Stop()
	if err := r.server.Settle(ctx, r.set.End); err != nil {
		return 0, err
	}
	bytes, err := r.server.atRest()
	return float64(bytes) / float64(r.set.Samples()), err
}

func cell(value float64, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.3f", value)
}

// need leaves a benchmark out where this machine lacks a server, and says so.
func need(b *testing.B) {
	for _, kind := range []Kind{Headwater(), Prometheus(), VictoriaMetrics()} {
		if _, err := kind.Find(); err != nil {
			fmt.Println("LEFT OUT:", b.Name(), err)
			b.SkipNow()
		}
	}
}

// BenchmarkBytesAtRest prints what a sample takes on disk, of each kind.
func BenchmarkBytesAtRest(b *testing.B) {
	need(b)
	series := 500 / *scale
	start := yesterday()
	for b.Loop() {
		rows := [][]string{{
			"kind", "samples", "entropy",
			"headwater, 2 h blocks", "prometheus", "half of that",
			"headwater, compacted", "prometheus", "victoria-metrics", "",
		}}
		type row struct {
			name                       string
			samples                    int
			entropy                    float64
			fresh, halfPrometheus      resting
			whole, prometheus, victory resting
		}
		feed := func(name string, entropy float64, half, whole *DataSet) row {
			all := []struct {
				kind Kind
				set  *DataSet
			}{{Headwater(), half}, {Prometheus(), half}, {Headwater(), whole}, {Prometheus(), whole}, {VictoriaMetrics(), whole}}
			var fed [5]resting
			for i, one := range all {
				var err error
				if fed[i], err = feedToRest(b, one.kind, one.set); err != nil {
					b.Fatal(err)
				}
			}
			return row{name, whole.Samples(), entropy, fed[0], fed[1], fed[2], fed[3], fed[4]}
		}
		// All wait for their minute of tidying together.
		var fed []row
		for _, kind := range storageKinds {
			if !strings.Contains(kind.name, *kindOnly) {
				continue
			}
			// Half a day that is not over for the server stays in blocks of two hours.
			half, whole := makeKind(kind, series, start, day/2), makeKind(kind, series, start, day)
			fed = append(fed, feed(kind.name, whole.entropy(kind), half, whole))
		}
		const mix = "recorded mix of real pages"
		if strings.Contains(mix, *kindOnly) {
			recorded, err := record(b, *recording)
			if err != nil {
				b.Fatal(err)
			}
			fed = append(fed, feed(mix, math.NaN(), recorded, recorded))
		}
		for _, row := range fed {
			fresh, freshErr := row.fresh.bytesPerSample(b)
			half, halfErr := row.halfPrometheus.bytesPerSample(b)
			whole, wholeErr := row.whole.bytesPerSample(b)
			prometheus, prometheusErr := row.prometheus.bytesPerSample(b)
			victoria, victoriaErr := row.victory.bytesPerSample(b)
			verdict := func(is bool) string {
				if is {
					return "reached"
				}
				return "MISSED"
			}
			entropy := fmt.Sprintf("%.3f", row.entropy)
			if math.IsNaN(row.entropy) {
				entropy = "–"
			}
			halved := fmt.Sprintf("%.3f: %s", half/2, verdict(fresh <= half/2))
			if half/2 < row.entropy {
				// No encoding takes less than the entropy.
				halved = fmt.Sprintf("%.3f, below the entropy", half/2)
			}
			rows = append(rows, []string{
				row.name, Millions(row.samples), entropy,
				cell(fresh, freshErr), cell(half, halfErr), halved,
				cell(whole, wholeErr), cell(prometheus, prometheusErr), cell(victoria, victoriaErr),
				verdict(whole <= victoria),
			})
		}
		table("Bytes a sample at rest; all of the folder but logs and caches", rows)
	}
}

// page is what an exporter answered, and when it was asked.
type page struct {
	time   int64
	target int
	values map[string]float64
}

// record scrapes the exporters of this machine once a second. The times are those at which it
// really happened.
func record(b *testing.B, duration time.Duration) (*DataSet, error) {
	exporter, err := StartNodeExporter(b.Cleanup)
	if err != nil {
		return nil, err
	}
	addresses := []string{"http://" + exporter}
	for _, kind := range []Kind{Headwater(), Prometheus(), VictoriaMetrics()} {
		server, err := Start(kind, b.TempDir())
		if err != nil {
			return nil, err
		}
		defer server.Stop()
		addresses = append(addresses, server.URL)
	}
	var pages []page
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for begun := time.Now(); time.Since(begun) < duration; <-ticks.C {
		for target, address := range addresses {
			asked := time.Now().UnixMilli()
			values, err := scrapePage(address + "/metrics")
			if err != nil {
				return nil, err
			}
			pages = append(pages, page{asked, target, values})
		}
	}
	return replayed(pages, len(addresses)), nil
}

// scrapePage reads a page of Prometheus's text: series, as they are written, and values.
func scrapePage(url string) (map[string]float64, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			values[strings.TrimSpace(line[:at])] = value
		}
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return values, lines.Err()
}

// replayed is a recording as a data set: the series that were on every page of their target.
func replayed(pages []page, targets int) *DataSet {
	byTarget := make([][]page, targets)
	for _, page := range pages {
		byTarget[page.target] = append(byTarget[page.target], page)
	}
	scrapes := len(byTarget[0])
	// The recording ends now; on disk it has to be old.
	shift := pages[0].time - (yesterday() + hour)
	set := &DataSet{Start: yesterday() + hour, Interval: 1000}
	set.End = set.Start + int64(scrapes)*set.Interval
	set.recorded = make([][]int64, targets)
	for target, of := range byTarget {
		for _, page := range of {
			set.recorded[target] = append(set.recorded[target], page.time-shift)
		}
		for text := range of[0].values {
			labels, ok := labelsOf(text, target)
			if !ok {
				continue
			}
			var values []float64
			for _, page := range of {
				if value, there := page.values[text]; there {
					values = append(values, value)
				}
			}
			if len(values) == scrapes {
				set.add(labels, target, 0, func(*noise) func() float64 {
					at := -1
					return func() float64 {
						at++
						return values[at]
					}
				})
			}
		}
	}
	return set
}

// labelsOf reads the text of a series, as exporters write it; what is written in any other way
// is left out.
func labelsOf(text string, target int) ([][2]string, bool) {
	name, rest, _ := strings.Cut(text, "{")
	labels := map[string]string{"__name__": name, "job": fmt.Sprintf("exporter-%d", target)}
	rest = strings.TrimSuffix(rest, "}")
	for rest != "" {
		label, after, found := strings.Cut(rest, `="`)
		end := strings.Index(after, `"`)
		if !found || end < 0 || strings.Contains(after[:end], `\`) {
			return nil, false
		}
		labels[label] = after[:end]
		rest = strings.TrimPrefix(after[end+1:], ",")
	}
	var pairs [][2]string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, [2]string{name, labels[name]})
	}
	return pairs, true
}

// BenchmarkMemory prints what series in memory take, and what it took to bring them there.
func BenchmarkMemory(b *testing.B) {
	need(b)
	series := 100_000 / *scale
	for b.Loop() {
		rows := [][]string{{"server", "series", "bytes a series", "CPU s", "samples per CPU s"}}
		for _, kind := range []Kind{Headwater(), Prometheus(), VictoriaMetrics()} {
			// Half an hour at 15 s, which ends now: nobody has a reason to write it down yet.
			end := time.Now().UnixMilli() / minute * minute
			set := Make(Size{Counters: series, Targets: 100, Duration: 30 * minute}, end)
			server, err := Start(kind, b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			before, _, err := server.Memory()
			if err != nil {
				b.Fatal(err)
			}
			fed, err := Feed(server, set)
			if err != nil {
				b.Fatal(err)
			}
			after, _, err := server.Memory()
			if err != nil {
				b.Fatal(err)
			}
			server.Stop()
			rows = append(rows, []string{
				kind.Name, strconv.Itoa(series), strconv.FormatInt((after-before)/int64(series), 10),
				fmt.Sprintf("%.1f", fed.CPU.Seconds()),
				Millions(int(float64(fed.Samples) / fed.CPU.Seconds())),
			})
		}
		table("Memory: growth of the resident set by series of 120 samples, remote-written", rows)
	}
}

// BenchmarkStart prints how long servers take from the start of the process until they answer.
func BenchmarkStart(b *testing.B) {
	need(b)
	for b.Loop() {
		rows := [][]string{{"server", "days of 2,000 series", "samples", "CPU s to take them", "ready after ms", "RSS then MiB"}}
		for _, kind := range []Kind{Headwater(), Prometheus(), VictoriaMetrics()} {
			set := Make(Size{Counters: 2000 / *scale, Targets: 100, Duration: int64(*days) * day}, theEnd())
			dir := b.TempDir()
			server, err := Start(kind, dir)
			if err != nil {
				b.Fatal(err)
			}
			fed, err := Feed(server, set)
			if err != nil {
				b.Fatal(err)
			}
			marker := Sample{Time: set.End + 3*hour + minute, Value: 1}
			if err := server.Write([][2]string{{"__name__", "later"}}, marker); err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
			err = server.Settle(ctx, set.End)
			cancel()
			server.Stop()
			if err != nil {
				b.Fatal(err)
			}
			// What a start costs that finds everything in the system's cache: the best of some.
			best, rss := time.Hour, int64(0)
			for range 5 {
				if server, err = Start(kind, dir); err != nil {
					b.Fatal(err)
				}
				if server.Started < best {
					best = server.Started
				}
				if rss, _, err = server.Memory(); err != nil {
					b.Fatal(err)
				}
				server.Stop()
			}
			rows = append(rows, []string{
				kind.Name, strconv.Itoa(*days), Millions(fed.Samples), fmt.Sprintf("%.1f", fed.CPU.Seconds()),
				ms(best), mebibytes(rss),
			})
		}
		table("Start", rows)
	}
}
