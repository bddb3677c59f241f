package host

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// startPrometheus starts Debian's prometheus on a free port; it scrapes itself each second.
func startPrometheus(t *testing.T) (url string) {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no prometheus on PATH, and CI must have one: apt-get install -y prometheus")
		}
		t.Skip("SKIPPED: no prometheus on PATH (apt-get install -y prometheus)")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()

	dir := shortTempDir(t)
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: self
    static_configs: [{targets: [%q]}]
`, address), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	logs := &stderrLines{}
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	url = "http://" + address
	eventually(t, "prometheus is ready", func() bool {
		response, err := http.Get(url + "/-/ready")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return url
}

func TestARealPrometheusIsAskedTheWholeWay(t *testing.T) {
	url := startPrometheus(t)
	p := start(t, launch{})
	ds := remote(url)

	if got := p.health(ds); got.Status != healthy {
		t.Fatalf("%s %q", got.Status, got.Message)
	}

	ranged := func(refID, expr string) *pluginv2.DataQuery {
		q := query(refID, map[string]any{"expr": expr, "range": true, "interval": "1s"})
		q.IntervalMS = 1000
		q.TimeRange = &pluginv2.TimeRange{FromEpochMS: time.Now().Add(-time.Minute).UnixMilli(), ToEpochMS: time.Now().UnixMilli()}
		return q
	}
	var frames data.Frames
	eventually(t, "prometheus has scraped itself twice", func() bool {
		frames = good(t, p.ask(ds, ranged("A", `up{job="self"}`)), "A")
		return len(frames) == 1 && len(frames[0].Fields) == 2 && frames[0].Rows() >= 2
	})
	checkSeries(t, frames[0], data.Labels{"__name__": "up", "instance": strings.TrimPrefix(url, "http://"), "job": "self"})
	checkMeta(t, frames[0], data.FrameTypeTimeSeriesMulti, data.FrameTypeVersion{0, 1}, "matrix")
	if last := frames[0].Fields[1].At(frames[0].Rows() - 1).(float64); last != 1 {
		t.Errorf("up is %v", last)
	}

	instant := ranged("B", `count by (job) (up)`)
	instant.Json = mustEncode(map[string]any{"expr": "count by (job) (up)", "instant": true})
	answers := p.ask(ds, instant, ranged("C", "sum("))
	if vector := good(t, answers, "B"); len(vector) != 1 || vector[0].Fields[1].At(0).(float64) != 1 {
		t.Errorf("count by (job) (up): %v", vector)
	}
	if got := answers["C"]; got.err == "" || got.status != 400 || !strings.Contains(got.err, "parse error") {
		t.Errorf("error %q, status %d for a half-written expression; want the parser's words and 400", got.err, got.status)
	}

	labels := p.call(ds, "GET", "api/v1/label/job/values", nil)
	if labels.code != 200 || !strings.Contains(string(labels.body), `"self"`) {
		t.Errorf("status %d: %s", labels.code, labels.body)
	}
	if got := p.call(ds, "GET", "api/v1/metadata", nil); got.code != 200 || !strings.Contains(string(got.body), "prometheus_build_info") {
		t.Errorf("status %d: %.300s", got.code, got.body)
	}
}
