package host

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/protobuf/proto"
)

// officialVariable names the binary of grafana/grafana-prometheus-datasource, built elsewhere.
const officialVariable = "HEADWATER_OFFICIAL_PLUGIN"

// shape is an answer of so many series with so many points each, and what the project wants to
// reach on it: how many times less CPU than the official plugin.
type shape struct {
	series, points int
	// queries measured in a run; short ones need more for a steady figure.
	queries   int
	cpu, gzip float64
}

var shapes = []shape{
	{200, 10_000, 5, 6, 3},
	{5_000, 120, 7, 12, 6},
	{10_000, 60, 7, 14, 7},
	{1, 11_000, 200, 4, 3},
}

// runs is how often each shape is measured, both plugins in turn; medians are shown.
const runs = 3

// BenchmarkAgainstTheOfficialPlugin asks both plugins the same of the same server and prints the
// ratios: CPU per query, growth of resident memory at its peak, size of the response. Both must
// answer with equal frames. It says so and measures nothing where no official plugin is named.
func BenchmarkAgainstTheOfficialPlugin(b *testing.B) {
	official, named := namedBinary(b, officialVariable)
	if !named {
		b.Skipf("SKIPPED: %s names no binary of grafana/grafana-prometheus-datasource", officialVariable)
	}
	for _, s := range shapes {
		body := s.body()
		for _, compressed := range []bool{false, true} {
			name := fmt.Sprintf("%d_series_%d_points", s.series, s.points)
			wanted := s.cpu
			if compressed {
				name += "_gzip"
				wanted = s.gzip
			}
			b.Run(name, func(b *testing.B) {
				server := serveCanned(b, body, compressed)
				ours := remote(server.URL).with("compression", map[bool]string{false: "off", true: "on"}[compressed])
				theirs := dataSource{org: 1, uid: "official", updated: 1, url: server.URL, json: map[string]any{"httpMethod": "POST"}}
				var cpuOurs, cpuTheirs, peakOurs, peakTheirs, bytesOurs, bytesTheirs []float64
				for range runs {
					mine := s.measure(b, launch{}, ours)
					other := s.measure(b, launch{path: official}, theirs)
					if difference := differ(mine.frames, other.frames); difference != "" {
						b.Fatalf("the answers differ: %s", difference)
					}
					if len(mine.frames) != s.series {
						b.Fatalf("%d frames", len(mine.frames))
					}
					cpuOurs, cpuTheirs = append(cpuOurs, mine.cpu), append(cpuTheirs, other.cpu)
					peakOurs, peakTheirs = append(peakOurs, mine.peak), append(peakTheirs, other.peak)
					bytesOurs, bytesTheirs = append(bytesOurs, mine.bytes), append(bytesTheirs, other.bytes)
				}
				for b.Loop() {
					// Measured above, in runs of our own: most of a run is starting processes.
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(median(cpuOurs), "cpu-ms")
				b.ReportMetric(median(cpuTheirs), "cpu-ms-official")
				b.ReportMetric(median(cpuTheirs)/median(cpuOurs), "cpu-ratio")
				b.ReportMetric(wanted, "cpu-ratio-wanted")
				b.ReportMetric(median(peakOurs), "MiB-growth")
				b.ReportMetric(median(peakTheirs), "MiB-growth-official")
				b.ReportMetric(median(peakTheirs)/max(median(peakOurs), 0.01), "growth-ratio")
				b.ReportMetric(median(bytesOurs)/(1<<20), "MiB-response")
				b.ReportMetric(median(bytesTheirs)/(1<<20), "MiB-response-official")
			})
		}
	}
}

// measured is what one plugin process needed for the shape's queries.
type measured struct {
	// cpu is in milliseconds, the median of the queries; peak in MiB above what the process had
	// before the first of them; bytes the size of a response on the wire.
	cpu, peak, bytes float64
	frames           data.Frames
}

func (s shape) measure(b *testing.B, how launch, ds dataSource) (m measured) {
	b.Helper()
	p := start(b, how)
	defer p.client.Kill()
	pid := p.cmd.Process.Pid
	// The process is warm, connections stand, and nothing large has been seen.
	for range 3 {
		good(b, p.ask(ds, s.query("small")), "A")
	}
	before := residentMebibytes(b, pid)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
	var cpu []float64
	var response *pluginv2.QueryDataResponse
	for range s.queries {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		began := cpuMilliseconds(b, pid)
		var err error
		response, err = p.data.QueryData(ctx, request(ds, s.query("canned")))
		cpu = append(cpu, cpuMilliseconds(b, pid)-began)
		cancel()
		if err != nil {
			b.Fatal(err)
		}
	}
	return measured{
		cpu:    median(cpu),
		peak:   statusMebibytes(b, pid, "VmHWM:") - before,
		bytes:  float64(proto.Size(response)),
		frames: good(b, decode(b, response), "A"),
	}
}

// query asks for the shape's points: one a second.
func (s shape) query(expr string) *pluginv2.DataQuery {
	return &pluginv2.DataQuery{
		RefId:         "A",
		MaxDataPoints: int64(s.points),
		IntervalMS:    1_000,
		TimeRange: &pluginv2.TimeRange{
			FromEpochMS: rangeFrom.UnixMilli(),
			ToEpochMS:   rangeFrom.Add(time.Duration(s.points-1) * time.Second).UnixMilli(),
		},
		Json: mustEncode(map[string]any{"refId": "A", "expr": expr, "range": true, "interval": "1s", "intervalMs": 1_000, "legendFormat": "__auto"}),
	}
}

// body is the shape's answer as Prometheus writes it; values are rates with all their digits.
func (s shape) body() []byte {
	random := rand.New(rand.NewSource(1))
	var out bytes.Buffer
	out.WriteString(`{"status":"success","data":{"resultType":"matrix","result":[`)
	for i := range s.series {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, `{"metric":{"__name__":"http_requests","cluster":"eu-west-1","instance":"10.0.%d.%d:8080","job":"wiki","path":"/page/%05d"},"values":[`, i/250, i%250, i)
		for point := range s.points {
			if point > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(&out, `[%d,"%s"]`, rangeFrom.Unix()+int64(point), strconv.FormatFloat(random.Float64()*100, 'f', -1, 64))
		}
		out.WriteString("]}")
	}
	out.WriteString("]}}")
	return out.Bytes()
}

// serveCanned answers every range query with the same body, and `small` with no series.
func serveCanned(tb testing.TB, body []byte, compressed bool) *httptest.Server {
	tb.Helper()
	encode := func(body []byte) []byte {
		if !compressed {
			return body
		}
		var out bytes.Buffer
		writer := gzip.NewWriter(&out)
		writer.Write(body)
		writer.Close()
		return out.Bytes()
	}
	canned := encode(body)
	small := encode([]byte(`{"status":"success","data":{"resultType":"matrix","result":[]}}`))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if compressed {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				http.Error(w, "this server speaks gzip alone", http.StatusNotAcceptable)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
		}
		answer := small
		if r.Form.Get("query") == "canned" {
			answer = canned
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.Write(answer)
	}))
	tb.Cleanup(server.Close)
	return server
}

// cpuMilliseconds is what a process has used of the processors, to the nanosecond: the kernel
// has a clock for every process, whose number is made of the process's (clock_getcpuclockid).
func cpuMilliseconds(b *testing.B, pid int) float64 {
	b.Helper()
	clock := ^pid<<3 | 2
	var at syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&at)), 0); errno != 0 {
		b.Fatal(errno)
	}
	return float64(at.Nano()) / 1e6
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// differ names the first difference between two answers that a panel would show.
func differ(mine, theirs data.Frames) string {
	if len(mine) != len(theirs) {
		return fmt.Sprintf("%d frames and %d", len(mine), len(theirs))
	}
	for i := range mine {
		if difference := differInFrame(mine[i], theirs[i]); difference != "" {
			return fmt.Sprintf("frame %d: %s", i, difference)
		}
	}
	return ""
}

func differInFrame(mine, theirs *data.Frame) string {
	if a, b := mine.Meta, theirs.Meta; a.Type != b.Type || a.TypeVersion != b.TypeVersion || a.ExecutedQueryString != b.ExecutedQueryString {
		return fmt.Sprintf("meta %+v and %+v", a, b)
	}
	if a, b := asJSON(mine.Meta.Custom), asJSON(theirs.Meta.Custom); a != b {
		return fmt.Sprintf("custom %s and %s", a, b)
	}
	if mine.Name != theirs.Name || len(mine.Fields) != len(theirs.Fields) {
		return fmt.Sprintf("name %q, %d fields, and %q, %d", mine.Name, len(mine.Fields), theirs.Name, len(theirs.Fields))
	}
	for i := range mine.Fields {
		a, b := mine.Fields[i], theirs.Fields[i]
		if a.Name != b.Name || a.Type() != b.Type() || a.Len() != b.Len() || a.Labels.String() != b.Labels.String() || asJSON(a.Config) != asJSON(b.Config) {
			return fmt.Sprintf("field %d: %s %s %d %s %s, and %s %s %d %s %s", i, a.Name, a.Type(), a.Len(), a.Labels, asJSON(a.Config), b.Name, b.Type(), b.Len(), b.Labels, asJSON(b.Config))
		}
		for row := range a.Len() {
			x, y := a.At(row), b.At(row)
			if f, isFloat := x.(float64); isFloat && math.Float64bits(f) != math.Float64bits(y.(float64)) {
				return fmt.Sprintf("field %d, row %d: %v and %v", i, row, x, y)
			}
			if t, isTime := x.(time.Time); isTime && !t.Equal(y.(time.Time)) {
				return fmt.Sprintf("field %d, row %d: %v and %v", i, row, x, y)
			}
		}
	}
	return ""
}
