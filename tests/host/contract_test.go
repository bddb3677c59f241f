package host

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
