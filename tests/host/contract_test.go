package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// The rows of `../shared/design/query-contract.md` that need a server of which the test knows
// what it was asked. Those that a real server can answer are in TestTheContractAgainstRealServers.

// asked is what the server got for one query over `length` with these options.
func asked(t *testing.T, p *plugin, ds dataSource, up *upstream, length time.Duration, maxDataPoints int64, options map[string]any) url.Values {
	t.Helper()
	q := query("A", options)
	q.MaxDataPoints = maxDataPoints
	q.TimeRange.ToEpochMS = q.TimeRange.FromEpochMS + length.Milliseconds()
	if ms, ok := options["intervalMs"].(int); ok {
		q.IntervalMS = int64(ms)
	}
	p.ask(ds, q)
	seen := up.seen("/query_range")
	if len(seen) == 0 {
		t.Fatal("the server was asked nothing")
	}
	return seen[len(seen)-1].form
}

func TestTheStepFollowsFromIntervalsAndPoints(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for name, c := range map[string]struct {
		options  map[string]any
		setting  string
		length   time.Duration
		points   int64
		wantStep string
	}{
		"nothing said: 15 s":             {map[string]any{}, "", time.Hour, 1500, "15"},
		"the scrape interval":            {map[string]any{}, "30s", time.Hour, 1500, "30"},
		"intervalMs before it":           {map[string]any{"intervalMs": 20_000}, "30s", time.Hour, 1500, "20"},
		"Min step before both":           {map[string]any{"interval": "1m", "intervalMs": 20_000}, "30s", time.Hour, 1500, "60"},
		"a number of seconds":            {map[string]any{"interval": "7"}, "", time.Hour, 1500, "7"},
		"few points: a nice interval":    {map[string]any{}, "", 6 * time.Hour, 100, "300"},
		"no points: 1500 of them":        {map[string]any{}, "", 24 * time.Hour, 0, "60"},
		"one point":                      {map[string]any{}, "", time.Hour, 1, "3600"},
		"never more than 11,000 steps":   {map[string]any{"interval": "1s"}, "", 24 * time.Hour, 1_000_000, "10"},
		"the factor multiplies":          {map[string]any{"interval": "10s", "intervalFactor": 3}, "", time.Hour, 1500, "30"},
		"the rate interval as Min step":  {map[string]any{"interval": "$__rate_interval", "intervalFactor": 3}, "", time.Hour, 1500, "60"},
		"a fraction of a second":         {map[string]any{"interval": "250ms"}, "", time.Minute, 1500, "0.25"},
		"a range of ten years":           {map[string]any{}, "", 10 * 365 * 24 * time.Hour, 1500, "86400"},
		"a range of a millisecond":       {map[string]any{}, "", time.Millisecond, 1500, "15"},
		"a scrape interval as a number":  {map[string]any{}, "20", time.Hour, 1500, "20"},
		"the interval macro as Min step": {map[string]any{"interval": "${__interval}", "intervalMs": 25_000}, "", time.Hour, 1500, "25"},
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			ds := remote(up.URL)
			if c.setting != "" {
				ds = ds.with("timeInterval", c.setting)
			}
			c.options["expr"] = "up"
			if got := asked(t, p, ds, up, c.length, c.points, c.options).Get("step"); got != c.wantStep {
				t.Errorf("step %s, want %s", got, c.wantStep)
			}
		})
	}
}

func TestMacrosAreFilledIn(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, c := range []struct {
		expr, want string
		options    map[string]any
	}{
		{"x[$__interval] ${__interval_ms}", "x[15s] 15000", nil},
		{"x[$__interval]", "x[1m]", map[string]any{"interval": "90s"}},
		{"x[$__rate_interval]", "x[1m0s]", nil},
		{"x[${__rate_interval}]", "x[4m0s]", map[string]any{"interval": "1m"}},
		{"x[$__range] $__range_s ${__range_ms}", "x[3600s] 3600 3600000", nil},
		{`x{a="$host"} $__unknown`, `x{a="$host"} $__unknown`, nil},
	} {
		options := map[string]any{"expr": c.expr}
		for key, value := range c.options {
			options[key] = value
		}
		if got := asked(t, p, remote(up.URL), up, time.Hour, 1500, options).Get("query"); got != c.want {
			t.Errorf("%s: asked %s, want %s", c.expr, got, c.want)
		}
	}
}

func TestADayStartsAtTheViewersMidnight(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, offset := range []int64{0, 3_600, -18_000, 20_700} {
		options := map[string]any{"expr": "up", "interval": "1d", "utcOffsetSec": offset}
		form := asked(t, p, remote(up.URL), up, 72*time.Hour, 1500, options)
		for _, key := range []string{"start", "end"} {
			seconds, err := strconv.ParseInt(form.Get(key), 10, 64)
			if err != nil || (seconds+offset)%86_400 != 0 {
				t.Errorf("offset %d: %s=%s is no midnight there", offset, key, form.Get(key))
			}
		}
	}
}

func TestTheExpressionIsFoundUnderEachName(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for want, options := range map[string]map[string]any{
		"up":                              {"queryText": "up"},
		`sum(rate(x{a="b"}[1m0s]))`:       {"metricName": "x", "labels": map[string]string{"a": "b"}, "function": "rate", "aggregation": "sum"},
		"count(y)":                        {"metricName": "y", "aggregation": "count"},
		"max(z) by (job) or on () vector": {"expr": "max(z) by (job) or on () vector", "queryText": "other"},
	} {
		if got := asked(t, p, remote(up.URL), up, time.Hour, 1500, options).Get("query"); got != want {
			t.Errorf("%v: asked %s, want %s", options, got, want)
		}
	}
}

func TestNoticesStandOnEveryFrameAndAloneOnOneOfTheirOwn(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, frame := range good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "warned"})), "A") {
		notices := frame.Meta.Notices
		if len(notices) != 2 || notices[0].Text != "a replica is down" || notices[0].Severity != data.NoticeSeverityWarning ||
			notices[1].Text != "not a counter" || notices[1].Severity != data.NoticeSeverityInfo {
			t.Errorf("notices %+v", notices)
		}
	}
	frames := good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "warned_empty"})), "A")
	if len(frames) != 1 || frames[0].Name != "Warnings" || len(frames[0].Meta.Notices) != 1 {
		t.Errorf("%d frames, the first %q", len(frames), frames[0].Name)
	}
}

func TestStatisticsAreTheServersOwn(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	frames := good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "costly"})), "A")
	custom, _ := frames[0].Meta.Custom.(map[string]any)
	if got, want := asJSON(custom["stats"]), `{"samples":{"totalQueryableSamples":42},"seriesFetched":"2","timings":{"evalTotalTime":0.25}}`; got != want {
		t.Errorf("custom.stats %s, want %s", got, want)
	}
	if stats := frames[0].Meta.Stats; len(stats) != 2 || stats[0].Value != 42 || stats[1].Value != 250 || stats[1].Unit != "ms" {
		t.Errorf("stats %+v", stats)
	}
	if custom, _ := frames[1].Meta.Custom.(map[string]any); custom["stats"] != nil {
		t.Error("the second frame repeats the statistics")
	}
}

func TestExemplarsAreOneFrameAndNotForAlertRules(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	q := query("A", map[string]any{"expr": "up", "range": true, "exemplar": true})
	frames := good(t, p.ask(remote(up.URL), q), "A")
	last := frames[len(frames)-1]
	if last.Name != "exemplar" || len(last.Fields) != 4 || last.Rows() != 1 {
		t.Fatalf("the last of %d frames is %q with %d fields", len(frames), last.Name, len(last.Fields))
	}
	var names []string
	for _, field := range last.Fields {
		names = append(names, field.Name)
	}
	if !slices.Equal(names, []string{"Time", "Value", "job", "trace_id"}) || last.Fields[3].At(0) != "abc" {
		t.Errorf("fields %v, trace %v", names, last.Fields[3].At(0))
	}
	if custom, _ := last.Meta.Custom.(map[string]any); custom["resultType"] != "exemplar" {
		t.Errorf("custom %v", last.Meta.Custom)
	}

	before := len(up.seen("/query_exemplars"))
	r := request(remote(up.URL), q)
	r.Headers["FromAlert"] = "true"
	response, err := p.data.QueryData(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if frames := good(t, decode(t, response), "A"); len(frames) != 2 {
		t.Errorf("an alert rule got %d frames, want the 2 series", len(frames))
	}
	if after := len(up.seen("/query_exemplars")); after != before {
		t.Error("exemplars were asked for an alert rule")
	}
}

func TestIdentityAndCookiesGoAlongWhereSettingsSaySo(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	send := func(ds dataSource) http.Header {
		before := len(up.queries("up"))
		r := request(ds, query("A", map[string]any{"expr": "up"}))
		r.Headers["Authorization"], r.Headers["X-Id-Token"] = "Bearer person", "id"
		r.Headers["Cookie"] = "session=1; secret=2"
		if _, err := p.data.QueryData(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return up.queries("up")[before].header
	}
	if sent := send(remote(up.URL)); sent.Get("Authorization")+sent.Get("X-Id-Token")+sent.Get("Cookie") != "" {
		t.Errorf("without a setting the server got %v", sent)
	}
	sent := send(remote(up.URL).with("oauthPassThru", true).with("keepCookies", []string{"session"}))
	if sent.Get("Authorization") != "Bearer person" || sent.Get("X-Id-Token") != "id" || sent.Get("Cookie") != "session=1" {
		t.Errorf("the server got %v", sent)
	}
	if sent.Get("X-Dashboard-Uid") != "board" {
		t.Errorf("the dashboard is not named: %v", sent)
	}
}

// panels is a request as a dashboard with a hundred panels of ten queries sends them: one each.
func panels(ds dataSource, now time.Time) []*pluginv2.QueryDataRequest {
	requests := make([]*pluginv2.QueryDataRequest, 100)
	for i := range requests {
		q := query("A", map[string]any{"expr": fmt.Sprintf("panel_%d", i%10), "range": true})
		q.TimeRange = &pluginv2.TimeRange{FromEpochMS: now.Add(-time.Hour).UnixMilli(), ToEpochMS: now.UnixMilli()}
		requests[i] = request(ds, q)
		requests[i].Headers["http_X-Panel-Id"] = strconv.Itoa(i)
		requests[i].Headers["http_X-Query-Group-Id"] = fmt.Sprintf("group-%d-%d", i, now.UnixNano())
	}
	return requests
}

// refresh sends all panels at once and waits for their answers, which come when all have asked.
func refresh(tb testing.TB, p *plugin, up *upstream, requests []*pluginv2.QueryDataRequest) {
	tb.Helper()
	letGo := up.gather()
	failed := make(chan error, len(requests))
	for _, r := range requests {
		go func() {
			response, err := p.data.QueryData(tb.Context(), r)
			if err == nil && response.Responses["A"].Error != "" {
				err = fmt.Errorf("%s", response.Responses["A"].Error)
			}
			failed <- err
		}()
	}
	eventually(tb, "all panels have asked", func() bool {
		return p.gauge("headwater_queries_in_flight") == float64(len(requests))
	})
	letGo()
	for range requests {
		if err := <-failed; err != nil {
			tb.Fatal(err)
		}
	}
}

func TestAHundredPanelsOfTenQueriesAreTenRequestsARefresh(t *testing.T) {
	for _, incremental := range []bool{false, true} {
		up := startUpstream(t)
		p := start(t, launch{})
		ds := remote(up.URL).with("incrementalQuerying", incremental)
		now := time.Now().Truncate(15 * time.Second)
		for round := range 3 {
			before := len(up.seen("/query_range"))
			refresh(t, p, up, panels(ds, now.Add(time.Duration(round)*15*time.Second-time.Minute)))
			sent := up.seen("/query_range")[before:]
			if len(sent) != 10 {
				t.Errorf("incremental %t, refresh %d: %d requests, want 10", incremental, round, len(sent))
			}
			for _, c := range sent {
				start, _ := strconv.ParseFloat(c.form.Get("start"), 64)
				end, _ := strconv.ParseFloat(c.form.Get("end"), 64)
				// The overlap of ten minutes counts from now, which is a minute behind the end
				// at most.
				if tail := end-start < 700; tail != (incremental && round > 0) {
					t.Errorf("incremental %t, refresh %d: asked for %v s", incremental, round, end-start)
				}
			}
		}
	}
}

// BenchmarkAHundredPanels reports what a dashboard of a hundred panels with ten distinct queries
// costs the server at each refresh: requests, and samples that it must send.
func BenchmarkAHundredPanels(b *testing.B) {
	for _, incremental := range []bool{false, true} {
		b.Run(map[bool]string{false: "shared", true: "shared_and_incremental"}[incremental], func(b *testing.B) {
			up := startUpstream(b)
			p := start(b, launch{})
			ds := remote(up.URL).with("incrementalQuerying", incremental)
			now := time.Now().Truncate(15 * time.Second).Add(-5 * time.Minute)
			refresh(b, p, up, panels(ds, now))
			before, rounds, steps := len(up.seen("/query_range")), 0, 0.0
			for b.Loop() {
				rounds++
				refresh(b, p, up, panels(ds, now.Add(time.Duration(rounds)*5*time.Second)))
			}
			sent := up.seen("/query_range")[before:]
			for _, c := range sent {
				start, _ := strconv.ParseFloat(c.form.Get("start"), 64)
				end, _ := strconv.ParseFloat(c.form.Get("end"), 64)
				steps += (end-start)/15 + 1
			}
			b.ReportMetric(float64(len(sent))/float64(rounds), "requests/refresh")
			b.ReportMetric(steps/float64(len(sent)), "steps/request")
		})
	}
}

// realServer is one that answers at `url`, and how the contract's rows differ on it.
type realServer struct {
	name, url string
	// victoria: no scalars, no strings, statuses of its own.
	victoria bool
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
	cmd := exec.Command(program(t, name), arguments...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// startRealServers starts Prometheus and VictoriaMetrics, both scraping a node exporter and
// themselves each second.
func startRealServers(t *testing.T) []realServer {
	t.Helper()
	node, prometheus, victoria := freeAddress(t), freeAddress(t), freeAddress(t)
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
	return []realServer{
		{name: "Prometheus", url: "http://" + prometheus},
		{name: "VictoriaMetrics", url: "http://" + victoria, victoria: true},
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
			recent := func(options map[string]any) *pluginv2.DataQuery {
				q := query("A", options)
				q.TimeRange = &pluginv2.TimeRange{FromEpochMS: time.Now().Add(-10 * time.Second).UnixMilli(), ToEpochMS: time.Now().UnixMilli()}
				return q
			}
			eventually(t, server.name+" has scraped the node exporter thrice", func() bool {
				frames := p.ask(ds, recent(map[string]any{"expr": `count_over_time(up{job="node"}[20s]) >= 3 and up{job="node"} == 1`, "instant": true}))["A"].frames
				return len(frames) == 1 && len(frames[0].Fields) == 2
			})
			for _, row := range contractRows {
				t.Run(row.name, func(t *testing.T) { row.check(p.in(t), ds, server, recent) })
			}
		})
	}
}

type recentQuery = func(options map[string]any) *pluginv2.DataQuery

// contractRows are the rows that a real server can answer.
var contractRows = []struct {
	name  string
	check func(p *plugin, ds dataSource, server realServer, recent recentQuery)
}{
	{"health names the server", func(p *plugin, ds dataSource, server realServer, _ recentQuery) {
		if got := p.health(ds); got.Status != healthy || !strings.Contains(got.Message, server.name) {
			p.tb.Errorf("%s %q", got.Status, got.Message)
		}
	}},
	{"matrix", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
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
	{"vector", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
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
	{"both", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `sum(up)`, "range": true, "instant": true})), "A")
		if len(frames) != 2 || frames[0].Meta.Type != data.FrameTypeTimeSeriesMulti || frames[1].Meta.Type != data.FrameTypeNumericMulti {
			p.tb.Errorf("%d frames", len(frames))
		}
	}},
	{"neither means range", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `sum(up)`, "interval": "1s"})), "A")
		if len(frames) != 1 || frames[0].Meta.Type != data.FrameTypeTimeSeriesMulti || frames[0].Rows() < 2 {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"the builder's keys", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		options := map[string]any{"metricName": "up", "labels": map[string]string{"job": "node"}, "aggregation": "count", "instant": true}
		frames := good(p.tb, p.ask(ds, recent(options)), "A")
		if len(frames) != 1 || frames[0].Fields[1].At(0) != 1.0 || !strings.Contains(frames[0].Meta.ExecutedQueryString, `count(up{job="node"})`) {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"never too many steps", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		q := recent(map[string]any{"expr": `up`, "range": true, "interval": "1s"})
		q.TimeRange.FromEpochMS, q.MaxDataPoints = q.TimeRange.ToEpochMS-24*time.Hour.Milliseconds(), 1_000_000
		// Prometheus refuses more than 11,000 points.
		good(p.tb, p.ask(ds, q), "A")
	}},
	{"the rate interval", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		q := recent(map[string]any{"expr": `sum(rate(node_cpu_seconds_total[$__rate_interval]))`, "range": true, "interval": "1s"})
		q.IntervalMS = 1_000
		frames := good(p.tb, p.ask(ds.with("timeInterval", "1s"), q), "A")
		if len(frames) != 1 || len(frames[0].Fields) != 2 || !strings.Contains(frames[0].Meta.ExecutedQueryString, "[4s]") {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"an alert rule's question", func(p *plugin, ds dataSource, server realServer, recent recentQuery) {
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
	{"metric-search", func(p *plugin, ds dataSource, _ realServer, _ recentQuery) {
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
	{"scalar", func(p *plugin, ds dataSource, server realServer, recent recentQuery) {
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
	{"string", func(p *plugin, ds dataSource, server realServer, recent recentQuery) {
		got := p.ask(ds, recent(map[string]any{"expr": `"words"`, "instant": true}))["A"]
		if server.victoria {
			return // It has no strings.
		}
		if len(got.frames) != 1 || got.frames[0].Fields[1].At(0) != "words" {
			p.tb.Errorf("%+v", got)
		}
	}},
	{"empty", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `no_such_metric`, "range": true})), "A")
		if len(frames) != 1 || len(frames[0].Fields) != 0 {
			p.tb.Errorf("%v", frames)
		}
	}},
	{"macros", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `sum(count_over_time(up[$__range])) + $__range_s - ${__range_ms} / 1000`, "instant": true})), "A")
		if value := frames[0].Fields[1].At(0).(float64); value < 2 || value > 60 {
			p.tb.Errorf("count %v in 10 s of two targets", value)
		}
	}},
	{"a mistake keeps the server's words", func(p *plugin, ds dataSource, server realServer, recent recentQuery) {
		got := p.ask(ds, recent(map[string]any{"expr": `sum(`, "range": true}))["A"]
		want := int32(400)
		if server.victoria {
			want = 422
		}
		if got.status != want || got.source != "downstream" || !strings.Contains(got.err, "sum(") && !strings.Contains(got.err, "parse error") {
			p.tb.Errorf("%d %s %q", got.status, got.source, got.err)
		}
	}},
	{"GET, custom parameters and statistics", func(p *plugin, ds dataSource, server realServer, recent recentQuery) {
		ds = ds.with("httpMethod", "GET").with("customQueryParameters", "stats=all").with("queryTimeout", 60)
		frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up`, "range": true})), "A")
		custom, _ := frames[0].Meta.Custom.(map[string]any)
		stats := asJSON(custom["stats"])
		// Debian's VictoriaMetrics tells none.
		if !server.victoria && !strings.Contains(stats, "totalQueryableSamples") {
			p.tb.Errorf("custom.stats %s", stats)
		}
	}},
	{"a moving range", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
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
	{"exemplars ask no more than the server has", func(p *plugin, ds dataSource, _ realServer, recent recentQuery) {
		if frames := good(p.tb, p.ask(ds, recent(map[string]any{"expr": `up`, "range": true, "interval": "1s", "exemplar": true})), "A"); len(frames) != 2 {
			p.tb.Errorf("%d frames", len(frames))
		}
	}},
	{"the paths that pass through", func(p *plugin, ds dataSource, server realServer, _ recentQuery) {
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
	{"suggestions", func(p *plugin, ds dataSource, _ realServer, _ recentQuery) {
		body := mustEncode(map[string]any{"labelName": "job", "queries": []string{"up"}})
		if got := p.call(ds, "POST", "suggestions", body); got.code != 200 || !strings.Contains(string(got.body), `["node","self"]`) {
			p.tb.Errorf("status %d: %s", got.code, got.body)
		}
	}},
	{"metrics", func(p *plugin, ds dataSource, _ realServer, _ recentQuery) {
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
	{"validate", func(p *plugin, ds dataSource, _ realServer, _ recentQuery) {
		for text, valid := range map[string]bool{"up": true, "rate(up[$__rate_interval])": true, "sum(": false} {
			got := p.call(ds, "POST", "validate", mustEncode(map[string]any{"queryText": text}))
			if got.code != 200 || strings.Contains(string(got.body), `"valid":true`) != valid {
				p.tb.Errorf("%s: status %d: %s", text, got.code, got.body)
			}
		}
	}},
	{"variable-query", func(p *plugin, ds dataSource, _ realServer, _ recentQuery) {
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
}
