package host

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Timings live here and not in tests: `go run mage.go bench` prints them.

func BenchmarkColdStartToHandshake(b *testing.B) {
	dir := shortTempDir(b)
	for b.Loop() {
		cmd := bareCommand(b, dir)
		p := startBare(b, cmd)
		b.StopTimer()
		cmd.Process.Kill()
		p.ended()
		b.StartTimer()
	}
}

func BenchmarkShutdown(b *testing.B) {
	dir := shortTempDir(b)
	for b.Loop() {
		b.StopTimer()
		p := startBare(b, bareCommand(b, dir))
		conn := p.dial()
		openBroker(b, conn)
		b.StartTimer()
		if err := shutdown(b.Context(), conn); err != nil {
			b.Fatal(err)
		}
		p.ended()
	}
}

// BenchmarkIdleMemory reports resident memory a second after the start, and a second after a
// health check, which loads the certificates of the system's authorities.
func BenchmarkIdleMemory(b *testing.B) {
	up := startUpstream(b)
	var idle, asked float64
	for b.Loop() {
		p := start(b, launch{})
		time.Sleep(time.Second)
		idle = max(idle, residentMebibytes(b, p.cmd.Process.Pid))
		p.health(remote(up.URL))
		time.Sleep(time.Second)
		asked = max(asked, residentMebibytes(b, p.cmd.Process.Pid))
		p.client.Kill()
	}
	b.ReportMetric(idle, "MiB-idle")
	b.ReportMetric(asked, "MiB-after-health")
}

func residentMebibytes(b *testing.B, pid int) float64 {
	b.Helper()
	return statusMebibytes(b, pid, "VmRSS:")
}

func statusMebibytes(b *testing.B, pid int, key string) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), key)
	kibibytes, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kibibytes / 1024
}

// The same answer each time: series × points as they come from a server of our own, so that
// the figure holds the whole way from HTTP to gRPC.
func BenchmarkRangeQuery(b *testing.B) {
	for _, series := range []int{1, 100, 2000} {
		b.Run(strconv.Itoa(series)+"_series_21_points", func(b *testing.B) {
			up := startUpstream(b)
			p := start(b, launch{})
			ds := remote(up.URL)
			q := query("A", map[string]any{"expr": "many_" + strconv.Itoa(series), "range": true})
			for b.Loop() {
				if frames := good(b, p.ask(ds, q), "A"); len(frames) != series {
					b.Fatalf("%d frames", len(frames))
				}
			}
		})
	}
}

// BenchmarkMetricSearch answers keys typed into the field for a metric, of 200,000 names.
func BenchmarkMetricSearch(b *testing.B) {
	names := make([]string, 200_000)
	for i := range names {
		names[i] = fmt.Sprintf("area%d_requests_service%06d_total", i%10, i)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/values") {
			writeData(w, names)
			return
		}
		writeData(w, map[string]any{})
	}))
	b.Cleanup(server.Close)
	p := start(b, launch{})
	ds := remote(server.URL)
	search := func(text string) {
		got, err := p.tryCall(ds, resourceCall{method: "GET", path: "metric-search", query: "limit=50&text=" + text})
		if err != nil || got.code != 200 {
			b.Fatalf("%v, status %d: %.300s", err, got.code, got.body)
		}
	}
	began := time.Now()
	search("")
	first := time.Since(began)
	for b.Loop() {
		for _, text := range []string{"a", "are", "area3", "requests", "serv", "00012"} {
			search(text)
		}
	}
	b.ReportMetric(float64(first.Milliseconds()), "ms-first-opening")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1_000/6/float64(b.N), "ms/key")
	b.ReportMetric(0, "ns/op")
}
