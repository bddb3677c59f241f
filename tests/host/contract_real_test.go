package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The rows of `../shared/design/query-contract.md` on servers that are not the tests' own: Debian's
// Prometheus and VictoriaMetrics, and Headwater's `serve`.

// realServer is one that answers at `url`, and how the contract's rows differ on it.
type realServer struct {
	name, url string
	// victoria: no scalars, no strings, statuses of its own.
	victoria bool
	// headwater: answers with notices, which the others have none of.
	headwater bool
	// node is where the exporter's page is, which both scrape.
	node string
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// program is a Debian program of .ci/packages; without it the test is skipped, and in CI fails.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("no %s on PATH, and CI must have one: apt-get install -y %s", name, name)
	}
	if err != nil {
		t.Skipf("SKIPPED: no %s on PATH (apt-get install -y %s)", name, name)
	}
	return path
}

func run(t *testing.T, name string, arguments ...string) {
	t.Helper()
	runAt(t, program(t, name), arguments...)
}

// runAt starts the program at `path`, which ends with the test.
func runAt(t *testing.T, path string, arguments ...string) {
	t.Helper()
	cmd := exec.Command(path, arguments...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// startRealServers starts Prometheus, VictoriaMetrics and Headwater's own server, all scraping a
// node exporter and themselves each second.
func startRealServers(t *testing.T) []realServer {
	t.Helper()
	node, prometheus, victoria, headwater := freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)
	dir := shortTempDir(t)
	config := func(name, self string) string {
		path := filepath.Join(dir, name+".yml")
		text := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - {job_name: node, static_configs: [{targets: [%q]}]}
  - {job_name: self, static_configs: [{targets: [%q]}]}
`, node, self)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run(t, "prometheus-node-exporter", "--web.listen-address="+node, "--collector.disable-defaults", "--collector.cpu", "--collector.meminfo", "--collector.time")
	run(t, "prometheus", "--config.file="+config("prometheus", prometheus), "--storage.tsdb.path="+filepath.Join(dir, "prometheus"), "--web.listen-address="+prometheus)
	run(t, "victoria-metrics", "-httpListenAddr="+victoria, "-storageDataPath="+filepath.Join(dir, "victoria"), "-promscrape.config="+config("victoria", victoria), "-search.latencyOffset=1s")
	runAt(t, binary(t), "serve", "--config", config("headwater", headwater), "--data-dir", filepath.Join(dir, "headwater"), "--listen", headwater)
	page := "http://" + node + "/metrics"
	return []realServer{
		{name: "Prometheus", url: "http://" + prometheus, node: page},
		{name: "VictoriaMetrics", url: "http://" + victoria, node: page, victoria: true},
		{name: "Headwater", url: "http://" + headwater, node: page, headwater: true},
	}
}

// TestTheContractAgainstRealServers goes through the contract row by row.
func TestTheContractAgainstRealServers(t *testing.T) {
	servers := startRealServers(t)
	p := start(t, launch{})
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			p := p.in(t)
			ds := remote(server.url)
			eventually(t, server.name+" has scraped both targets thrice", func() bool {
				frames := p.ask(ds, recent(map[string]any{"expr": `count_over_time(up[20s]) >= 3 and up == 1`, "instant": true}))["A"].frames
				return len(frames) == 2 && len(frames[0].Fields) == 2
			})
			for _, row := range contractRows {
				t.Run(row.name, func(t *testing.T) { row.check(p.in(t), ds, server) })
			}
		})
	}
}

// recent is a query over the last ten seconds.
func recent(options map[string]any) *pluginv2.DataQuery {
	q := query("A", options)
	q.TimeRange = &pluginv2.TimeRange{FromEpochMS: time.Now().Add(-10 * time.Second).UnixMilli(), ToEpochMS: time.Now().UnixMilli()}
	return q
}

// contractRows are the rows that a real server can answer.
var contractRows = []struct {
	name  string
	check func(p *plugin, ds dataSource, server realServer)
}{
	{"health names the server", func(p *plugin, ds dataSource, server realServer) {
		if got := p.health(ds); got.Status != healthy || !strings.Contains(got.Message, server.name) {
			p.tb.Errorf("%s %q", got.Status, got.Message)
		}
	}},
	{"matrix", func(p *plugin, ds dataSource, _ realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up`, "range": true, "interval": "1s"})), "A")
		if len(frames) != 2 {
			p.tb.Fatalf("%d frames", len(frames))
		}
		for _, frame := range frames {
			if frame.Name != "" || frame.Meta.Type != data.FrameTypeTimeSeriesMulti || frame.Meta.TypeVersion != (data.FrameTypeVersion{0, 1}) ||
				frame.Fields[0].Name != "Time" || frame.Fields[0].Config.Interval != 1_000 || frame.Fields[1].Name != "up" || frame.Rows() < 2 {
				p.tb.Errorf("%+v %v", frame.Meta, frame)
			}
		}
		if want := "Expr: up\nStep: 1s"; frames[0].Meta.ExecutedQueryString != want || frames[1].Meta.ExecutedQueryString != "" {
			p.tb.Errorf("executedQueryString %q", frames[0].Meta.ExecutedQueryString)
		}
	}},
	{"vector", func(p *plugin, ds dataSource, _ realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `count by (job) (up)`, "instant": true, "legendFormat": "{{job}}"})), "A")
		if len(frames) != 2 || frames[0].Meta.Type != data.FrameTypeNumericMulti || frames[0].Rows() != 1 {
			p.tb.Fatalf("%d frames", len(frames))
		}
		// A vector comes in the server's own order.
		legends := []string{frames[0].Fields[1].Config.DisplayNameFromDS, frames[1].Fields[1].Config.DisplayNameFromDS}
		if slices.Sort(legends); !slices.Equal(legends, []string{"node", "self"}) {
			p.tb.Errorf("legends %q", legends)
		}
	}},
	{"both", func(p *plugin, ds dataSource, _ realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `sum(up)`, "range": true, "instant": true})), "A")
		if len(frames) != 2 || frames[0].Meta.Type != data.FrameTypeTimeSeriesMulti || frames[1].Meta.Type != data.FrameTypeNumericMulti {
			p.tb.Errorf("%d frames", len(frames))
		}
	}},
	{"neither means range", func(p *plugin, ds dataSource, _ realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `sum(up)`, "interval": "1s"})), "A")
		if len(frames) != 1 || frames[0].Meta.Type != data.FrameTypeTimeSeriesMulti || frames[0].Rows() < 2 {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"the builder's keys", func(p *plugin, ds dataSource, _ realServer) {
		options := map[string]any{"metricName": "up", "labels": map[string]string{"job": "node"}, "aggregation": "count", "instant": true}
		frames := good(p.tb, p.ask(ds, recent(options)), "A")
		if len(frames) != 1 || frames[0].Fields[1].At(0) != 1.0 || !strings.Contains(frames[0].Meta.ExecutedQueryString, `count(up{job="node"})`) {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"never too many steps", func(p *plugin, ds dataSource, _ realServer) {
		q := recent(map[string]any{"expr": `up`, "range": true, "interval": "1s"})
		q.TimeRange.FromEpochMS, q.MaxDataPoints = q.TimeRange.ToEpochMS-24*time.Hour.Milliseconds(), 1_000_000
		// Prometheus refuses more than 11,000 points.
		good(p.tb, p.ask(ds, q), "A")
	}},
	{"the rate interval", func(p *plugin, ds dataSource, _ realServer) {
		q := recent(map[string]any{"expr": `sum(rate(node_cpu_seconds_total[$__rate_interval]))`, "range": true, "interval": "1s"})
		q.IntervalMS = 1_000
		frames := good(p.tb, p.ask(ds.with("timeInterval", "1s"), q), "A")
		if len(frames) != 1 || len(frames[0].Fields) != 2 || !strings.Contains(frames[0].Meta.ExecutedQueryString, "[4s]") {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"an alert rule's question", func(p *plugin, ds dataSource, server realServer) {
		q := recent(map[string]any{"expr": `up == 1`, "instant": true, "exemplar": true})
		r := request(ds, q)
		r.Headers["FromAlert"] = "true"
		response, err := p.data.QueryData(context.Background(), r)
		if err != nil {
			p.tb.Fatal(err)
		}
		frames := good(p.tb, decode(p.tb, response), "A")
		if len(frames) != 2 {
			p.tb.Fatalf("%d frames", len(frames))
		}
		for _, frame := range frames {
			if frame.Meta.Type != data.FrameTypeNumericMulti || frame.Meta.TypeVersion != (data.FrameTypeVersion{0, 1}) || frame.Rows() != 1 {
				p.tb.Errorf("%+v", frame.Meta)
			}
		}
	}},
	{"metric-search", func(p *plugin, ds dataSource, _ realServer) {
		got, err := p.tryCall(ds, resourceCall{method: "GET", path: "metric-search", query: "text=cpu+node&limit=3"})
		if err != nil {
			p.tb.Fatal(err)
		}
		var found struct {
			Found, Names int
			Metrics      []struct{ Name string }
		}
		if err := json.Unmarshal(got.body, &found); err != nil || found.Found == 0 || found.Names < found.Found ||
			len(found.Metrics) == 0 || len(found.Metrics) > 3 || !strings.HasPrefix(found.Metrics[0].Name, "node_cpu") {
			p.tb.Errorf("status %d: %.300s", got.code, got.body)
		}
	}},
	{"scalar", func(p *plugin, ds dataSource, server realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `scalar(vector(42))`, "instant": true})), "A")
		custom, _ := frames[0].Meta.Custom.(map[string]any)
		want := "scalar"
		if server.victoria {
			want = "vector"
		}
		if len(frames) != 1 || frames[0].Fields[1].At(0) != 42.0 || custom["resultType"] != want {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"string", func(p *plugin, ds dataSource, server realServer) {
		got := p.ask(ds, recent(map[string]any{"expr": `"words"`, "instant": true}))["A"]
		if server.victoria {
			return // It has no strings.
		}
		if len(got.frames) != 1 || got.frames[0].Fields[1].At(0) != "words" {
			p.tb.Errorf("%+v", got)
		}
	}},
	{"empty", func(p *plugin, ds dataSource, _ realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `no_such_metric`, "range": true})), "A")
		if len(frames) != 1 || len(frames[0].Fields) != 0 {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"macros", func(p *plugin, ds dataSource, _ realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `sum(count_over_time(up[$__range])) + $__range_s - ${__range_ms} / 1000`, "instant": true})), "A")
		if value := frames[0].Fields[1].At(0).(float64); value < 2 || value > 60 {
			p.tb.Errorf("count %v in 10 s of two targets", value)
		}
	}},
	{"a mistake keeps the server's words", func(p *plugin, ds dataSource, server realServer) {
		got := p.ask(ds, recent(map[string]any{"expr": `sum(`, "range": true}))["A"]
		want := int32(400)
		if server.victoria {
			want = 422
		}
		if got.status != want || got.source != "downstream" || !strings.Contains(got.err, "sum(") && !strings.Contains(got.err, "parse error") {
			p.tb.Errorf("%d %s %q", got.status, got.source, got.err)
		}
	}},
	{"GET, custom parameters and statistics", func(p *plugin, ds dataSource, server realServer) {
		ds = ds.with("httpMethod", "GET").with("customQueryParameters", "stats=all").with("queryTimeout", 60)
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up`, "range": true})), "A")
		custom, _ := frames[0].Meta.Custom.(map[string]any)
		stats := asJSON(custom["stats"])
		// Debian's VictoriaMetrics tells none.
		if !server.victoria && !strings.Contains(stats, "totalQueryableSamples") {
			p.tb.Errorf("custom.stats %s", stats)
		}
	}},
	{"a moving range", func(p *plugin, ds dataSource, _ realServer) {
		moving := ds.with("incrementalQuerying", true).with("incrementalQueryOverlapWindow", "3s")
		q := recent(map[string]any{"expr": `sum(up)`, "range": true, "interval": "1s"})
		for range 3 {
			// It ends before the newest scrape, and so both are asked of the same samples.
			q.TimeRange.ToEpochMS = time.Now().Add(-2 * time.Second).UnixMilli()
			q.TimeRange.FromEpochMS = q.TimeRange.ToEpochMS - 10_000
			a, b := good(p.tb, p.ask(moving, q), "A"), good(p.tb, p.ask(ds, q), "A")
			if difference := differ(a, b); difference != "" {
				p.tb.Error(difference)
			}
		}
	}},
	{"exemplars ask no more than the server has", func(p *plugin, ds dataSource, _ realServer) {
		if frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up`, "range": true, "interval": "1s", "exemplar": true})), "A"); len(frames) != 2 {
			p.tb.Errorf("%d frames", len(frames))
		}
	}},
	{"the paths that pass through", func(p *plugin, ds dataSource, server realServer) {
		for path, words := range map[string]string{
			"api/v1/labels":                                 `"job"`,
			"api/v1/label/job/values":                       `"node"`,
			"api/v1/series?match[]=up":                      `"node"`,
			"api/v1/query?query=vector(1)":                  `"vector"`,
			"api/v1/metadata?metric=node_time_seconds":      `"success"`,
			"api/v1/rules":                                  `"groups"`,
			"api/v1/status/buildinfo":                       `"success"`,
			"api/v1/query_exemplars?query=up&start=1&end=2": `"success"`,
		} {
			if got := p.call(ds, "GET", path, nil); got.code != 200 || !strings.Contains(string(got.body), words) {
				p.tb.Errorf("%s: status %d: %.200s", path, got.code, got.body)
			}
		}
		if got := p.call(ds, "GET", "api/v1/query?query=sum(", nil); got.code != 400 && got.code != 422 {
			p.tb.Errorf("status %d: %.200s", got.code, got.body)
		}
		if got := p.call(ds, "GET", "api/v1/admin/tsdb/snapshot", nil); got.code != 404 {
			p.tb.Errorf("an open proxy: status %d", got.code)
		}
	}},
	{"suggestions", func(p *plugin, ds dataSource, _ realServer) {
		body := mustEncode(map[string]any{"labelName": "job", "queries": []string{"up"}})
		if got := p.call(ds, "POST", "suggestions", body); got.code != 200 || !strings.Contains(string(got.body), `["node","self"]`) {
			p.tb.Errorf("status %d: %s", got.code, got.body)
		}
	}},
	{"metrics", func(p *plugin, ds dataSource, _ realServer) {
		var names []string
		got := p.call(ds, "GET", "metrics", nil)
		if err := json.Unmarshal(got.body, &names); err != nil || !slices.Contains(names, "node_time_seconds") || !slices.IsSorted(names) {
			p.tb.Errorf("status %d: %.200s", got.code, got.body)
		}
		got = p.call(ds, "GET", "metrics/node_time_seconds", nil)
		var metric struct{ Name, Type, Description, Unit *string }
		if err := json.Unmarshal(got.body, &metric); err != nil || metric.Type == nil || *metric.Name != "node_time_seconds" {
			p.tb.Errorf("status %d: %s", got.code, got.body)
		}
		if got := p.call(ds, "GET", "metrics/node_time_second", nil); got.code != 404 || !strings.Contains(string(got.body), "node_time_seconds") {
			p.tb.Errorf("status %d: %s", got.code, got.body)
		}
	}},
	{"validate", func(p *plugin, ds dataSource, _ realServer) {
		for text, valid := range map[string]bool{"up": true, "rate(up[$__rate_interval])": true, "sum(": false} {
			got := p.call(ds, "POST", "validate", mustEncode(map[string]any{"queryText": text}))
			if got.code != 200 || strings.Contains(string(got.body), `"valid":true`) != valid {
				p.tb.Errorf("%s: status %d: %s", text, got.code, got.body)
			}
		}
	}},
	{"variable-query", func(p *plugin, ds dataSource, _ realServer) {
		for text, words := range map[string]string{
			"label_names()":            `"text":"job"`,
			"label_values(up, job)":    `"text":"node"`,
			"label_values(job)":        `"text":"self"`,
			"metrics(node_time_sec.*)": `"text":"node_time_seconds"`,
			"query_result(count(up))":  `2`,
			`up{job="node"}`:           `"text":"up{`,
		} {
			got := p.call(ds, "POST", "variable-query", mustEncode(map[string]any{"query": text}))
			if got.code != 200 || !strings.Contains(string(got.body), words) {
				p.tb.Errorf("%s: status %d: %.300s", text, got.code, got.body)
			}
		}
	}},
	{"steps", func(p *plugin, ds dataSource, _ realServer) {
		hour := time.Hour
		for name, c := range map[string]struct {
			options  map[string]any
			setting  string
			length   time.Duration
			points   int64
			wantStep time.Duration
		}{
			"nothing said: 15 s":          {map[string]any{}, "", hour / 6, 1500, 15 * time.Second},
			"the scrape interval":         {map[string]any{}, "30s", hour / 6, 1500, 30 * time.Second},
			"intervalMs before it":        {map[string]any{"intervalMs": 20_000}, "30s", hour / 6, 1500, 20 * time.Second},
			"Min step before both":        {map[string]any{"interval": "1m", "intervalMs": 20_000}, "30s", hour / 2, 1500, time.Minute},
			"few points: a nice interval": {map[string]any{}, "", 3 * hour, 50, 5 * time.Minute},
			"one point":                   {map[string]any{}, "", hour, 1, hour},
			"a factor":                    {map[string]any{"intervalFactor": 2}, "", hour / 6, 1500, 30 * time.Second},
			"the rate interval":           {map[string]any{"interval": "$__rate_interval", "intervalFactor": 2}, "15s", hour / 6, 1500, time.Minute},
		} {
			options := map[string]any{"expr": "vector(1)", "range": true}
			for key, value := range c.options {
				options[key] = value
			}
			q := query("A", options)
			q.MaxDataPoints, q.IntervalMS = c.points, 0
			// Seven seconds off every step, and no more than 50 points, of which VictoriaMetrics
			// would choose the times itself.
			q.TimeRange.FromEpochMS = rangeFrom.UnixMilli() + 7_000
			q.TimeRange.ToEpochMS = q.TimeRange.FromEpochMS + c.length.Milliseconds()
			settings := ds
			if c.setting != "" {
				settings = ds.with("timeInterval", c.setting)
			}
			frames := good(p.tb, p.ask(settings, q), "A")
			if len(frames) != 1 || len(frames[0].Fields) != 2 {
				p.tb.Errorf("%s: %d frames", name, len(frames))
				continue
			}
			checkSteps(p.tb, name, frames[0], q, c.wantStep, 0)
		}
	}},
	{"a day starts at the viewer's midnight", func(p *plugin, ds dataSource, _ realServer) {
		for _, offset := range []int{0, 3_600, -19_800} {
			q := query("A", map[string]any{"expr": "vector(1)", "range": true, "interval": "1d", "utcOffsetSec": offset})
			q.TimeRange.ToEpochMS = rangeFrom.UnixMilli() + (10 * 24 * time.Hour).Milliseconds()
			frames := good(p.tb, p.ask(ds, q), "A")
			checkSteps(p.tb, fmt.Sprintf("%d s off", offset), frames[0], q, 24*time.Hour, time.Duration(offset)*time.Second)
		}
	}},
	{"an instant query asks for the end as it is", func(p *plugin, ds dataSource, _ realServer) {
		q := query("A", map[string]any{"expr": "vector(time())", "instant": true, "interval": "1h"})
		q.TimeRange.ToEpochMS += 1_000
		frames := good(p.tb, p.ask(ds, q), "A")
		at, value := frames[0].Fields[0].At(0).(time.Time), frames[0].Fields[1].At(0).(float64)
		if at.UnixMilli() != q.TimeRange.ToEpochMS || value != float64(q.TimeRange.ToEpochMS)/1_000 {
			p.tb.Errorf("asked for %d, answered for %d with %v", q.TimeRange.ToEpochMS, at.UnixMilli(), value)
		}
	}},
	{"the interval contains the factor", func(p *plugin, ds dataSource, _ realServer) {
		q := query("A", map[string]any{"expr": "vector($__interval_ms) + 0 * count_over_time(vector(1)[$__interval:1s])", "range": true, "interval": "90s", "intervalFactor": 3})
		frames := good(p.tb, p.ask(ds, q), "A")
		// As Grafana's own plugin has it, whatever the contract says.
		if value := frames[0].Fields[1].At(0); value != 270_000.0 {
			p.tb.Errorf("$__interval_ms is %v", value)
		}
		if text := frames[0].Meta.ExecutedQueryString; !strings.Contains(text, "[4m:1s]") || !strings.Contains(text, "Step: 4m30s") {
			p.tb.Errorf("executedQueryString %q", text)
		}
	}},
	{"legends", func(p *plugin, ds dataSource, _ realServer) {
		for legend, want := range map[string]string{"__auto": "", "{{job}} of {{ job }}": "node of node", "{{none}}": "", "{}": `up{job="node"}`, "words": "words"} {
			frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up{job="node"}`, "range": true, "interval": "1s", "legendFormat": legend})), "A")
			got := frames[0].Fields[1].Config
			name := ""
			if got != nil {
				name = got.DisplayNameFromDS
			}
			if name != want {
				p.tb.Errorf("%s: %q, want %q", legend, name, want)
			}
		}
	}},
	{"values of odd types", func(p *plugin, ds dataSource, _ realServer) {
		for _, odd := range []map[string]any{
			{"datasource": "headwater"}, {"datasource": map[string]any{"uid": "x"}}, {"format": 1}, {"format": "origami"}, {"legendFormat": 5},
			{"interval": 1}, {"intervalMs": "1000"}, {"intervalFactor": "2"}, {"utcOffsetSec": "3600"}, {"scopes": "all"}, {"tomorrow": []any{1}},
			{"adhocFilters": 7}, {"groupByKeys": "job"}, {"editorMode": 3},
		} {
			odd["expr"] = `up{job="node"}`
			if _, said := odd["interval"]; !said {
				odd["interval"] = "1s"
			}
			if frames := good(p.tb, p.ask(ds, recent(odd)), "A"); len(frames) != 1 || len(frames[0].Fields) != 2 {
				p.tb.Errorf("%v: %v", odd, frames)
			}
		}
	}},
	{"settings that reach the server", func(p *plugin, _ dataSource, server realServer) {
		between := startBetween(p.tb, server.url)
		ds := remote(between.url).with("httpHeaderName1", "X-Scope-OrgID").with("customQueryParameters", "nocache=1").
			with("httpMethod", "GET").with("queryTimeout", "17s").with("seriesLimit", 1).with("seriesEndpoint", true).
			with("cacheLevel", "High").with("disableRecordingRules", true).with("manageAlerts", false).
			with("exemplarTraceIdDestinations", []any{map[string]any{"name": "trace_id"}})
		ds.basicAuthUser = "ada"
		ds = ds.withSecrets(map[string]string{"basicAuthPassword": "sesame", "httpHeaderValue1": "wiki"})
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up`, "range": true, "interval": "1s"})), "A")
		if len(frames) != 2 {
			p.tb.Errorf("%d frames", len(frames))
		}
		sent := between.last(p.tb, "/api/v1/query_range")
		if user, password, _ := sent.BasicAuth(); user != "ada" || password != "sesame" || sent.Header.Get("X-Scope-OrgID") != "wiki" {
			p.tb.Errorf("headers %v", sent.Header)
		}
		if form := sent.URL.Query(); sent.Method != "GET" || form.Get("nocache") != "1" || form.Get("timeout") != "17s" || form.Get("step") != "1" {
			p.tb.Errorf("%s %s", sent.Method, sent.URL)
		}
		got := p.call(ds, "POST", "variable-query", mustEncode(map[string]any{"query": "label_values(up, job)"}))
		if got.code != 200 || !strings.Contains(string(got.body), `"text":"`) {
			p.tb.Errorf("status %d: %s", got.code, got.body)
		}
		if form := between.last(p.tb, "/api/v1/series").URL.Query(); form.Get("limit") != "2" {
			p.tb.Errorf("series asked with %v", form)
		}
		token := remote(between.url).withSecrets(map[string]string{"apiKey": "open"})
		good(p.tb, p.ask(token, recent(map[string]any{"expr": `up`, "instant": true})), "A")
		if header := between.last(p.tb, "/api/v1/query").Header.Get("Authorization"); header != "Bearer open" {
			p.tb.Errorf("Authorization %q", header)
		}
	}},
	{"a page instead of an API", func(p *plugin, _ dataSource, server realServer) {
		ds := remote(server.node)
		// The exporter answers a path that it does not know with its first page.
		got := p.ask(ds, recent(map[string]any{"expr": `up`, "range": true}))["A"]
		if got.status != 502 || got.source != "downstream" || !strings.Contains(got.err, "instead of a Prometheus API") {
			p.tb.Errorf("%d %s %q", got.status, got.source, got.err)
		}
		for _, url := range []string{server.node, strings.TrimSuffix(server.node, "/metrics")} {
			health := p.health(remote(url))
			if text := health.Message + string(health.JsonDetails); health.Status == healthy || !strings.Contains(text, server.node+" answers with an exporter's") || !strings.Contains(text, "embedded") {
				p.tb.Errorf("%s: %s %s", url, health.Status, text)
			}
		}
	}},
	{"a server that has gone", func(p *plugin, _ dataSource, server realServer) {
		between := startBetween(p.tb, server.url)
		ds := remote(between.url)
		good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up`, "instant": true})), "A")
		between.close()
		got := p.ask(ds, recent(map[string]any{"expr": `up`, "instant": true}))["A"]
		if got.status != 502 || got.source != "downstream" || got.err == "" {
			p.tb.Errorf("%d %s %q", got.status, got.source, got.err)
		}
	}},
	{"notices", func(p *plugin, ds dataSource, server realServer) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `rate(up[10s])`, "range": true, "interval": "1s"})), "A")
		for _, frame := range frames {
			notices := frame.Meta.Notices
			if !server.headwater {
				if len(notices) > 0 {
					p.tb.Errorf("%s has none of %v", server.name, notices)
				}
				continue
			}
			if len(notices) != 1 || notices[0].Severity != data.NoticeSeverityInfo || !strings.Contains(notices[0].Text, "might not be a counter") {
				p.tb.Errorf("%v", notices)
			}
		}
	}},
}

// checkSteps says whether the times of a frame are those that a step makes of a range.
func checkSteps(tb testing.TB, name string, frame *data.Frame, q *pluginv2.DataQuery, step, offset time.Duration) {
	tb.Helper()
	if got := frame.Fields[0].Config.Interval; got != float64(step.Milliseconds()) {
		tb.Errorf("%s: config.interval %v, want %v", name, got, step)
	}
	align := func(ms int64) int64 {
		step, offset := step.Milliseconds(), offset.Milliseconds()
		return (ms+offset)/step*step - offset
	}
	first, last := align(q.TimeRange.FromEpochMS), align(q.TimeRange.ToEpochMS)
	if want := int((last-first)/step.Milliseconds()) + 1; frame.Rows() != want {
		tb.Errorf("%s: %d points, want %d", name, frame.Rows(), want)
		return
	}
	for row := range frame.Rows() {
		want := first + int64(row)*step.Milliseconds()
		if got := frame.Fields[0].At(row).(time.Time).UnixMilli(); got != want {
			tb.Errorf("%s: point %d stands at %d, want %d", name, row, got, want)
			return
		}
	}
}

// between hands requests on to a server and keeps what was asked.
type between struct {
	url    string
	server *httptest.Server
	lock   sync.Mutex
	sent   []*http.Request
}

func startBetween(tb testing.TB, target string) *between {
	tb.Helper()
	address, err := url.Parse(target)
	if err != nil {
		tb.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(address)
	b := &between{}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.lock.Lock()
		b.sent = append(b.sent, r.Clone(context.Background()))
		b.lock.Unlock()
		// Headwater answers under names of its own only.
		r.Host = address.Host
		r.Header.Del("Authorization")
		proxy.ServeHTTP(w, r)
	}))
	b.url = b.server.URL
	tb.Cleanup(b.server.Close)
	return b
}

func (b *between) close() {
	b.server.CloseClientConnections()
	b.server.Close()
}

func (b *between) last(tb testing.TB, path string) *http.Request {
	tb.Helper()
	b.lock.Lock()
	defer b.lock.Unlock()
	for _, r := range slices.Backward(b.sent) {
		if r.URL.Path == path {
			return r
		}
	}
	tb.Fatalf("nobody asked for %s", path)
	return nil
}

// startNativeApp is an app whose page has a native histogram, and a counter with an exemplar, in
// the protobuf that a Prometheus with these features asks for.
func startNativeApp(t *testing.T) (address string) {
	t.Helper()
	began := time.Now()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		format := expfmt.Negotiate(r.Header)
		w.Header().Set("Content-Type", string(format))
		passed := uint64(time.Since(began).Seconds()*10) + 10
		encoder := expfmt.NewEncoder(w, format)
		for _, family := range []*dto.MetricFamily{
			{Name: proto.String("answer_seconds"), Help: proto.String("Answers."), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
				SampleCount: proto.Uint64(3 * passed), SampleSum: proto.Float64(1.5 * float64(passed)),
				Schema: proto.Int32(0), ZeroThreshold: proto.Float64(0.001), ZeroCount: proto.Uint64(passed),
				// One bucket ends at 1, the next but one at 4.
				PositiveSpan:  []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(1)}, {Offset: proto.Int32(1), Length: proto.Uint32(1)}},
				PositiveDelta: []int64{int64(passed), 0},
			}}}},
			{Name: proto.String("users_total"), Help: proto.String("Users."), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{{Counter: &dto.Counter{
				Value: proto.Float64(float64(passed)),
				Exemplar: &dto.Exemplar{
					Label:     []*dto.LabelPair{{Name: proto.String("trace_id"), Value: proto.String(fmt.Sprintf("t%d", passed))}},
					Value:     proto.Float64(1),
					Timestamp: timestamppb.Now(),
				},
			}}}},
		} {
			if err := encoder.Encode(family); err != nil {
				t.Error(err)
			}
		}
	}))
	t.Cleanup(app.Close)
	return strings.TrimPrefix(app.URL, "http://")
}

// TestNativeHistogramsAndExemplarsOfARealPrometheus asks Debian's Prometheus with both features
// on, and then Headwater's own server, to which it sends on what it scrapes.
func TestNativeHistogramsAndExemplarsOfARealPrometheus(t *testing.T) {
	app, prometheus, headwater := startNativeApp(t), freeAddress(t), freeAddress(t)
	dir := shortTempDir(t)
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - {job_name: app, static_configs: [{targets: [%q]}]}
remote_write:
  - {url: "http://%s/api/v1/write", send_exemplars: true, send_native_histograms: true, queue_config: {batch_send_deadline: 1s}}
`, app, headwater)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "prometheus"), "--web.listen-address="+prometheus,
		"--enable-feature=native-histograms,exemplar-storage")
	runAt(t, binary(t), "serve", "--data-dir", filepath.Join(dir, "headwater"), "--listen", headwater)
	p := start(t, launch{})
	for name, address := range map[string]string{"Prometheus": prometheus, "Headwater": headwater} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			ds := remote("http://" + address)
			eventually(t, name+" has three scrapes of the app", func() bool {
				frames := p.ask(ds, recent(map[string]any{"expr": `count_over_time(users_total[20s]) >= 3`, "instant": true}))["A"].frames
				return len(frames) == 1 && len(frames[0].Fields) == 2
			})
			for _, instant := range []bool{true, false} {
				frames := good(t, p.ask(ds, recent(map[string]any{"expr": `answer_seconds`, "instant": instant, "range": !instant, "interval": "1s"})), "A")
				if len(frames) != 1 || frames[0].Meta.Type != data.FrameType("heatmap-cells") || len(frames[0].Fields) != 5 {
					t.Fatalf("%v", frames)
				}
				frame := frames[0]
				for i, want := range []string{"xMax", "yMin", "yMax", "count", "yLayout"} {
					if frame.Fields[i].Name != want || frame.Fields[i].Labels["job"] != "app" {
						t.Errorf("field %d is %q {%v}, want %q", i, frame.Fields[i].Name, frame.Fields[i].Labels, want)
					}
				}
				if frame.Rows() < 3 || instant && frame.Rows() != 3 {
					t.Fatalf("instant %t: %d rows", instant, frame.Rows())
				}
				for row, want := range [][2]float64{{-0.001, 0.001}, {0.5, 1}, {2, 4}} {
					if low, high := frame.Fields[1].At(row), frame.Fields[2].At(row); low != want[0] || high != want[1] {
						t.Errorf("bucket %d from %v to %v, want %v", row, low, high, want)
					}
					if layout, want := frame.Fields[4].At(row), []int8{3, 0, 0}[row]; layout != want {
						t.Errorf("bucket %d has the boundaries %v, want %d", row, layout, want)
					}
				}
			}
			frames := good(t, p.ask(ds, recent(map[string]any{"expr": `histogram_quantile(0.5, rate(answer_seconds[10s]))`, "instant": true})), "A")
			if value := frames[0].Fields[1].At(0).(float64); value < 0.5 || value > 1 {
				t.Errorf("the median is %v, and the middle bucket from 0.5 to 1", value)
			}
			frames = good(t, p.ask(ds, recent(map[string]any{"expr": `users_total`, "range": true, "interval": "1s", "exemplar": true})), "A")
			last := frames[len(frames)-1]
			if len(frames) != 2 || last.Name != "exemplar" || last.Rows() < 2 {
				t.Fatalf("%v", frames)
			}
			custom, _ := last.Meta.Custom.(map[string]any)
			field, _ := last.FieldByName("trace_id")
			if custom["resultType"] != "exemplar" || field == nil || !strings.HasPrefix(fmt.Sprint(field.At(0)), "t") {
				t.Errorf("%v", last)
			}
		})
	}
}
