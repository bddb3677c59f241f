package peers

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

// RequestSamples is how many samples Prometheus puts into one request.
const RequestSamples = 2000

// Fed is what it took a server to take a data set.
type Fed struct {
	Samples  int
	Requests int
	// CPU is the server's until the last request was answered, Wall the time of the requests
	// alone: making them is left out.
	CPU, Wall time.Duration
}

// Feed remote-writes the whole set into a server, as a Prometheus that scraped it would: in the
// order of time, one sample of a series in a request, all series of a scrape together.
func Feed(s *Server, set *DataSet) (Fed, error) {
	var fed Fed
	before, err := s.CPU()
	if err != nil {
		return fed, err
	}
	labels := make([][]byte, len(set.Series))
	for i := range set.Series {
		set.Series[i].Reset()
		labels[i] = labelBytes(set.Series[i].Labels)
	}
	// By target, so that what was scraped together is sent together.
	order := make([]int, len(set.Series))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return set.Series[a].Target - set.Series[b].Target })

	var message []byte
	samples := 0
	send := func() error {
		if samples == 0 {
			return nil
		}
		took, err := s.remoteWrite(message)
		fed.Samples, fed.Requests, fed.Wall = fed.Samples+samples, fed.Requests+1, fed.Wall+took
		message, samples = message[:0], 0
		return err
	}
	for scrape := range int((set.End - set.Start) / set.Interval) {
		for _, i := range order {
			series := &set.Series[i]
			message = appendSeries(message, labels[i], Sample{Time: set.Time(series.Target, scrape), Value: series.Next()})
			if samples++; samples == RequestSamples {
				if err := send(); err != nil {
					return fed, err
				}
			}
		}
		// A series must not come twice in a request.
		if err := send(); err != nil {
			return fed, err
		}
	}
	after, err := s.CPU()
	fed.CPU = after - before
	return fed, err
}

// Sample is a value at a time, in milliseconds.
type Sample struct {
	Time  int64
	Value float64
}

// Write remote-writes samples of one series, which must be in the order of time.
func (s *Server) Write(labels [][2]string, samples ...Sample) error {
	_, err := s.remoteWrite(appendSeries(nil, labelBytes(labels), samples...))
	return err
}

// labelBytes encodes labels as fields of a prometheus.TimeSeries.
func labelBytes(labels [][2]string) (out []byte) {
	for _, pair := range labels {
		var label []byte
		for i, text := range pair {
			label = protowire.AppendTag(label, protowire.Number(i+1), protowire.BytesType)
			label = protowire.AppendString(label, text)
		}
		out = protowire.AppendTag(out, 1, protowire.BytesType)
		out = protowire.AppendBytes(out, label)
	}
	return out
}

// appendSeries adds a prometheus.TimeSeries to a prometheus.WriteRequest.
func appendSeries(message, labels []byte, samples ...Sample) []byte {
	size := len(labels)
	for _, sample := range samples {
		size += 1 + protowire.SizeBytes(sampleSize(sample))
	}
	message = protowire.AppendTag(message, 1, protowire.BytesType)
	message = protowire.AppendVarint(message, uint64(size))
	message = append(message, labels...)
	for _, sample := range samples {
		message = protowire.AppendTag(message, 2, protowire.BytesType)
		message = protowire.AppendVarint(message, uint64(sampleSize(sample)))
		message = protowire.AppendTag(message, 1, protowire.Fixed64Type)
		message = protowire.AppendFixed64(message, math.Float64bits(sample.Value))
		message = protowire.AppendTag(message, 2, protowire.VarintType)
		message = protowire.AppendVarint(message, uint64(sample.Time))
	}
	return message
}

func sampleSize(sample Sample) int { return 9 + 1 + protowire.SizeVarint(uint64(sample.Time)) }

func (s *Server) remoteWrite(message []byte) (took time.Duration, err error) {
	request, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, message)))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Encoding", "snappy")
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	begun := time.Now()
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s refused samples: %s: %.300s", s.Name, response.Status, text)
	}
	return time.Since(begun), err
}
