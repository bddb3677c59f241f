package host

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// checkSeries holds a frame of one series to the frames table: `Time` and `Value`, not
// nullable, with the labels on the value.
func checkSeries(t *testing.T, frame *data.Frame, labels data.Labels) {
	t.Helper()
	if len(frame.Fields) != 2 {
		t.Fatalf("%d fields, want Time and a value", len(frame.Fields))
	}
	at, value := frame.Fields[0], frame.Fields[1]
	if at.Name != "Time" || at.Type() != data.FieldTypeTime {
		t.Errorf("field 0 is %q of %s, want Time, not nullable", at.Name, at.Type())
	}
	if value.Type() != data.FieldTypeFloat64 {
		t.Errorf("field 1 is %s, want float64, not nullable", value.Type())
	}
	want := "Value"
	if name := labels["__name__"]; name != "" {
		want = name
	}
	if value.Name != want {
		t.Errorf("field 1 is named %q, want %q", value.Name, want)
	}
	if value.Labels.String() != labels.String() {
		t.Errorf("labels {%s}, want {%s}", value.Labels, labels)
	}
	if len(at.Labels) != 0 {
		t.Errorf("the time field carries labels {%s}", at.Labels)
	}
}

func checkMeta(t *testing.T, frame *data.Frame, kind data.FrameType, version data.FrameTypeVersion, resultType string) {
	t.Helper()
	if frame.Meta == nil {
		t.Fatal("the frame has no meta")
	}
	if frame.Meta.Type != kind || frame.Meta.TypeVersion != version {
		t.Errorf("type %s %v, want %s %v", frame.Meta.Type, frame.Meta.TypeVersion, kind, version)
	}
	custom, _ := frame.Meta.Custom.(map[string]any)
	if got, _ := custom["resultType"].(string); got != resultType {
		t.Errorf("custom.resultType %q, want %q", got, resultType)
	}
}

var upLabels = []data.Labels{
	{"__name__": "up", "instance": "a:80", "job": "app"},
	{"__name__": "up", "instance": "b:80", "job": "app"},
}

func TestARangeQueryIsOneFramePerSeries(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	frames := good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "up", "range": true})), "A")
	if len(frames) != 2 {
		t.Fatalf("%d frames, want 2", len(frames))
	}
	for i, frame := range frames {
		checkSeries(t, frame, upLabels[i])
		checkMeta(t, frame, data.FrameTypeTimeSeriesMulti, data.FrameTypeVersion{0, 1}, "matrix")
		if frame.RefID != "A" {
			t.Errorf("refId %q", frame.RefID)
		}
		if config := frame.Fields[0].Config; config == nil || config.Interval != 15_000 {
			t.Errorf("frame %d: config.interval of the time field is %v, want 15000", i, config)
		}
		if rows := frame.Rows(); rows != 21 {
			t.Fatalf("%d rows, want 21", rows)
		}
		for row := range 21 {
			want := rangeFrom.Add(time.Duration(row) * 15 * time.Second)
			if got := frame.Fields[0].At(row).(time.Time); !got.Equal(want) {
				t.Fatalf("time of row %d is %s, want %s", row, got, want)
			}
			if got := frame.Fields[1].At(row).(float64); got != 1 {
				t.Fatalf("value of row %d is %v", row, got)
			}
		}
	}
	if got, want := frames[0].Meta.ExecutedQueryString, "Expr: up\nStep: 15s"; got != want {
		t.Errorf("executedQueryString %q, want %q", got, want)
	}
	if custom, _ := frames[0].Meta.Custom.(map[string]any); custom["calculatedMinStep"] == nil {
		t.Errorf("custom of the first frame has no calculatedMinStep: %v", custom)
	}
	sent := up.queries("up")
	if len(sent) != 1 {
		t.Fatalf("the server got %d calls", len(sent))
	}
	if sent[0].method != "POST" || !strings.HasSuffix(sent[0].path, "/api/v1/query_range") {
		t.Errorf("%s %s, want POST …/api/v1/query_range", sent[0].method, sent[0].path)
	}
	for key, want := range map[string]float64{"start": float64(rangeFrom.Unix()), "end": float64(rangeTo.Unix()), "step": 15} {
		if got, err := strconv.ParseFloat(sent[0].form.Get(key), 64); err != nil || got != want {
			t.Errorf("%s=%s, want %v decimal seconds", key, sent[0].form.Get(key), want)
		}
	}
}

func TestARangeIsAlignedToItsStep(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	q := query("A", map[string]any{"expr": "up", "range": true, "interval": "1m", "utcOffsetSec": 3600})
	q.TimeRange = &pluginv2.TimeRange{FromEpochMS: rangeFrom.UnixMilli() + 12_345, ToEpochMS: rangeTo.UnixMilli() + 54_321}
	good(t, p.ask(remote(up.URL), q), "A")
	sent := up.queries("up")[0].form
	for key, want := range map[string]int64{"start": rangeFrom.Unix(), "end": rangeTo.Unix(), "step": 60} {
		if got, err := strconv.ParseFloat(sent.Get(key), 64); err != nil || got != float64(want) {
			t.Errorf("%s=%s, want %d", key, sent.Get(key), want)
		}
	}
}

func TestAnInstantQueryIsOneFramePerSeries(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	q := query("A", map[string]any{"expr": "up", "instant": true})
	q.TimeRange.ToEpochMS += 1234
	frames := good(t, p.ask(remote(up.URL), q), "A")
	if len(frames) != 2 {
		t.Fatalf("%d frames, want 2", len(frames))
	}
	for i, frame := range frames {
		checkSeries(t, frame, upLabels[i])
		checkMeta(t, frame, data.FrameTypeNumericMulti, data.FrameTypeVersion{0, 1}, "vector")
		if frame.Rows() != 1 {
			t.Errorf("%d rows, want 1", frame.Rows())
		}
		// Instant uses the end as it stands, not the aligned one.
		if got := frame.Fields[0].At(0).(time.Time).UnixMilli(); got != rangeTo.UnixMilli()+1234 {
			t.Errorf("time %d, want %d", got, rangeTo.UnixMilli()+1234)
		}
	}
}

func TestBothKindsOfQueryAreRunTogether(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	frames := good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "up", "range": true, "instant": true})), "A")
	kinds := map[data.FrameType]int{}
	for _, frame := range frames {
		kinds[frame.Meta.Type]++
	}
	if len(frames) != 4 || kinds[data.FrameTypeTimeSeriesMulti] != 2 || kinds[data.FrameTypeNumericMulti] != 2 {
		t.Errorf("frames by type: %v, want two of each kind", kinds)
	}
}

func TestScalarsStringsAndEmptyAnswersHaveTheirShapes(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL)
	answers := p.ask(ds,
		query("scalar", map[string]any{"expr": "scalar", "instant": true}),
		query("string", map[string]any{"expr": "string", "instant": true}),
		query("empty", map[string]any{"expr": "empty", "range": true}),
		query("specials", map[string]any{"expr": "specials", "range": true}),
		query("warned", map[string]any{"expr": "warned", "range": true}),
	)

	scalar := good(t, answers, "scalar")
	if len(scalar) != 1 {
		t.Fatalf("%d frames for a scalar", len(scalar))
	}
	checkSeries(t, scalar[0], nil)
	checkMeta(t, scalar[0], data.FrameTypeNumericMulti, data.FrameTypeVersion{0, 1}, "scalar")
	if got := scalar[0].Fields[1].At(0).(float64); got != 42.5 {
		t.Errorf("scalar %v", got)
	}

	text := good(t, answers, "string")
	if len(text) != 1 || len(text[0].Fields) != 2 {
		t.Fatalf("frames for a string: %v", text)
	}
	checkMeta(t, text[0], data.FrameTypeTimeSeriesMulti, data.FrameTypeVersion{0, 0}, "string")
	if field := text[0].Fields[1]; field.Name != "Value" || field.Type() != data.FieldTypeString || field.At(0).(string) != "forty-two" {
		t.Errorf("field 1 of the string: %s %s", field.Name, field.Type())
	}

	empty := good(t, answers, "empty")
	if len(empty) != 1 || empty[0].Rows() != 0 {
		t.Errorf("an empty result is one empty frame, got %d", len(empty))
	} else if empty[0].Meta == nil || !strings.HasPrefix(empty[0].Meta.ExecutedQueryString, "Expr: empty\n") {
		t.Errorf("the empty frame does not say what was executed: %+v", empty[0].Meta)
	}

	specials := good(t, answers, "specials")[0].Fields[1]
	if !math.IsNaN(specials.At(0).(float64)) || !math.IsInf(specials.At(1).(float64), 1) || !math.IsInf(specials.At(2).(float64), -1) {
		t.Errorf("NaN, +Inf, -Inf came as %v, %v, %v", specials.At(0), specials.At(1), specials.At(2))
	}

	for _, frame := range good(t, answers, "warned") {
		if len(frame.Meta.Notices) != 2 || frame.Meta.Notices[0].Text != "a replica is down" || frame.Meta.Notices[1].Text != "not a counter" {
			t.Errorf("notices %v, want the warning, then the info", frame.Meta.Notices)
			continue
		}
		if frame.Meta.Notices[0].Severity != data.NoticeSeverityWarning || frame.Meta.Notices[1].Severity != data.NoticeSeverityInfo {
			t.Errorf("severities %v", frame.Meta.Notices)
		}
	}
}

func TestANativeHistogramIsAHeatmapFrame(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	frames := good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "histogram", "range": true})), "A")
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	frame := frames[0]
	if frame.Meta.Type != data.FrameType("heatmap-cells") || frame.Rows() != 2 {
		t.Errorf("type %s with %d rows, want heatmap-cells with one row per bucket", frame.Meta.Type, frame.Rows())
	}
	for i, want := range []struct {
		name string
		kind data.FieldType
	}{{"xMax", data.FieldTypeTime}, {"yMin", data.FieldTypeFloat64}, {"yMax", data.FieldTypeFloat64}, {"count", data.FieldTypeFloat64}, {"yLayout", data.FieldTypeInt8}} {
		if i >= len(frame.Fields) {
			t.Fatalf("only %d fields", len(frame.Fields))
		}
		if field := frame.Fields[i]; field.Name != want.name || field.Type() != want.kind || field.Labels["job"] != "app" {
			t.Errorf("field %d is %q %s {%s}, want %q %s with the series' labels", i, field.Name, field.Type(), field.Labels, want.name, want.kind)
		}
	}
}

func TestTheLegendNamesTheSeries(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for name, c := range map[string]struct{ expr, legend, want string }{
		"template":         {"up", "{{instance}} of {{ job }}", "a:80 of app"},
		"a missing label":  {"up", "<{{nothing}}>", "<>"},
		"plain text":       {"up", "Plain", "Plain"},
		"automatic":        {"up", "__auto", ""},
		"none":             {"up", "", `up{instance="a:80", job="app"}`},
		"none, no labels":  {"scalar", "", "scalar"},
		"automatic scalar": {"scalar", "__auto", "scalar"},
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			q := map[string]any{"expr": c.expr, "range": c.expr != "scalar", "instant": c.expr == "scalar", "legendFormat": c.legend}
			field := good(t, p.ask(remote(up.URL), query("A", q)), "A")[0].Fields[1]
			got := ""
			if field.Config != nil {
				got = field.Config.DisplayNameFromDS
			}
			if got != c.want {
				t.Errorf("displayNameFromDS %q, want %q", got, c.want)
			}
		})
	}
}

func TestOneBadQueryLeavesTheOthersAlone(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{faults: true})
	for name, bad := range map[string]*pluginv2.DataQuery{
		"cut off":       rawQuery("C", []byte(`{"expr": "up"`)),
		"no JSON":       rawQuery("C", []byte("\xff\xfe")),
		"nothing":       rawQuery("C", nil),
		"an array":      rawQuery("C", []byte(`["up"]`)),
		"deeply nested": rawQuery("C", []byte(strings.Repeat(`{"a":`, 50_000))),
		"upstream 422":  query("C", map[string]any{"expr": "fails_422"}),
		"upstream 500":  query("C", map[string]any{"expr": "page_500"}),
		"hung up":       query("C", map[string]any{"expr": "hangs_up"}),
		"a panic":       query("C", map[string]any{"expr": "headwater_test_panic()"}),
		"no expression": query("C", map[string]any{"range": true}),
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			queries := []*pluginv2.DataQuery{}
			for _, refID := range []string{"A", "B", "D", "E"} {
				queries = append(queries, query(refID, map[string]any{"expr": "up"}))
			}
			answers := p.ask(remote(up.URL), append(queries[:2:2], append([]*pluginv2.DataQuery{bad}, queries[2:]...)...)...)
			for _, refID := range []string{"A", "B", "D", "E"} {
				if frames := good(t, answers, refID); len(frames) != 2 {
					t.Errorf("refId %s has %d frames, want 2", refID, len(frames))
				}
			}
			got, ok := answers["C"]
			if !ok {
				t.Fatal("no response for the bad query")
			}
			if got.err == "" || got.status < 400 || got.source != "plugin" && got.source != "downstream" {
				t.Errorf("error %q, status %d, source %q", got.err, got.status, got.source)
			}
		})
	}
	p.lives()
}

func TestAnErrorKeepsItsStatusAndSaysWhoseItIs(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, c := range []struct {
		expr   string
		status int32
		source string
		words  string
	}{
		{"fails_400", 400, "downstream", "execution: the expression fails with 400"},
		{"fails_422", 422, "downstream", "execution: the expression fails with 422"},
		{"fails_503", 503, "downstream", "execution: the expression fails with 503"},
		{"fails_429", 429, "downstream", "the expression fails with 429"},
		{"page_502", 0, "downstream", "unexpected response with status code 502: <html><body>gateway says 502"},
		{"hangs_up", 502, "downstream", ""},
		{"exporter", 0, "downstream", "embedded"},
	} {
		t.Run(c.expr, func(t *testing.T) {
			p := p.in(t)
			got := p.ask(remote(up.URL), query("A", map[string]any{"expr": c.expr}))["A"]
			if got.err == "" || !strings.Contains(got.err, c.words) {
				t.Errorf("error %q, want %q in it", got.err, c.words)
			}
			if c.status != 0 && got.status != c.status {
				t.Errorf("status %d, want %d", got.status, c.status)
			}
			if got.source != c.source {
				t.Errorf("source %q, want %q", got.source, c.source)
			}
		})
	}
}

func TestValuesOfOddTypesDoNotFailAQuery(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for name, odd := range map[string]map[string]any{
		"datasource as text":   {"datasource": "headwater"},
		"datasource as object": {"datasource": map[string]any{"uid": "x", "type": "y"}},
		"format as number":     {"format": 1},
		"format unknown":       {"format": "origami"},
		"legend as number":     {"legendFormat": 5},
		"interval as number":   {"interval": 30},
		"intervalMs as text":   {"intervalMs": "1000"},
		"factor as text":       {"intervalFactor": "2"},
		"offset as text":       {"utcOffsetSec": "3600"},
		"null everywhere":      {"legendFormat": nil, "interval": nil, "intervalMs": nil, "format": nil, "range": nil, "instant": nil, "exemplar": nil},
		"scopes as text":       {"scopes": "all"},
		"unknown keys":         {"tomorrow": []any{1, map[string]any{}}},
		"huge numbers":         {"intervalMs": 1e300, "utcOffsetSec": -1e300},
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			odd["expr"] = "up"
			if frames := good(t, p.ask(remote(up.URL), query("A", odd)), "A"); len(frames) != 2 {
				t.Errorf("%d frames, want 2", len(frames))
			}
		})
	}
}

func TestStrangeTimeRangesAreAnsweredOrRefusedInWords(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	now := rangeFrom.UnixMilli()
	for name, c := range map[string]struct {
		from, to int64
		answered bool
	}{
		"zero length":    {now, now, true},
		"reversed":       {now, now - 3_600_000, false},
		"the epoch":      {0, 0, true},
		"before 1970":    {-86_400_000, -3_600_000, true},
		"all of i64":     {math.MinInt64, math.MaxInt64, false},
		"the end of i64": {math.MaxInt64 - 1, math.MaxInt64, false},
		"beyond nanos":   {9_300_000_000_000, 9_300_000_060_000, false},
		"reversed i64":   {math.MaxInt64, math.MinInt64, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			for _, kind := range []string{"range", "instant"} {
				q := query("A", map[string]any{"expr": "empty", kind: true})
				q.TimeRange = &pluginv2.TimeRange{FromEpochMS: c.from, ToEpochMS: c.to}
				got := p.ask(remote(up.URL), q)["A"]
				if c.answered && got.err != "" {
					t.Errorf("%s: %s", kind, got.err)
				}
				if kind == "range" && !c.answered && (got.err == "" || got.status != 400) {
					t.Errorf("%s: error %q with status %d, want words and 400", kind, got.err, got.status)
				}
			}
			p.lives()
		})
	}
	for name, change := range map[string]func(*pluginv2.DataQuery){
		"no time range":   func(q *pluginv2.DataQuery) { q.TimeRange = nil },
		"no points":       func(q *pluginv2.DataQuery) { q.MaxDataPoints = 0 },
		"negative points": func(q *pluginv2.DataQuery) { q.MaxDataPoints = -1 },
		"all points":      func(q *pluginv2.DataQuery) { q.MaxDataPoints = math.MaxInt64 },
		"no interval":     func(q *pluginv2.DataQuery) { q.IntervalMS = 0 },
		"negative step":   func(q *pluginv2.DataQuery) { q.IntervalMS = math.MinInt64 },
		"endless step":    func(q *pluginv2.DataQuery) { q.IntervalMS = math.MaxInt64 },
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			q := query("A", map[string]any{"expr": "up", "range": true})
			change(q)
			p.ask(remote(up.URL), q)
			p.lives()
		})
	}
}

func TestQueriesOfOneRequestRunSideBySide(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	answered := make(chan map[string]answer, 1)
	go func() {
		answered <- p.ask(remote(up.URL),
			query("A", map[string]any{"expr": "blocked", "legendFormat": "a"}),
			query("B", map[string]any{"expr": "blocked", "interval": "30s"}),
			query("C", map[string]any{"expr": "blocked", "interval": "1m"}))
	}()
	// All three wait at the same time, so none waited for another.
	eventually(t, "three queries wait upstream together", func() bool { waiting, _ := up.state(); return waiting == 3 })
	if got := p.gauge(queriesInFlight); got != 3 {
		t.Errorf("%s is %v, want 3", queriesInFlight, got)
	}
	up.release()
	for refID, got := range <-answered {
		if got.err != "" {
			t.Errorf("refId %s: %s", refID, got.err)
		}
	}
	if got := p.gauge(queriesInFlight); got != 0 {
		t.Errorf("%s is %v after the last answer", queriesInFlight, got)
	}
}

func TestARequestOfFiveMebibytesIsAnswered(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	q := query("A", map[string]any{"expr": "up", "comment": strings.Repeat("x", 5<<20)})
	if frames := good(t, p.ask(remote(up.URL), q), "A"); len(frames) != 2 {
		t.Errorf("%d frames, want 2", len(frames))
	}
}

func TestARequestOfAHundredMegabytesIsRefusedAndSurvived(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	_, err := p.data.QueryData(t.Context(), request(remote(up.URL),
		query("A", map[string]any{"expr": "up", "comment": strings.Repeat("x", 100_000_000)})))
	if code := status.Code(err); code != codes.OutOfRange && code != codes.ResourceExhausted {
		t.Errorf("%v, want OutOfRange or ResourceExhausted", err)
	}
	p.lives()
	if frames := good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "up"})), "A"); len(frames) != 2 {
		t.Errorf("%d frames, want 2", len(frames))
	}
}

func TestALargeAnswerArrivesWhole(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	frames := good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "many_2000", "range": true})), "A")
	if len(frames) != 2000 {
		t.Fatalf("%d frames, want 2000", len(frames))
	}
	seen := map[string]bool{}
	for _, frame := range frames {
		seen[frame.Fields[1].Labels["i"]] = true
		if frame.Rows() != 21 {
			t.Fatalf("%d rows", frame.Rows())
		}
	}
	if len(seen) != 2000 {
		t.Errorf("%d different series", len(seen))
	}
}

func TestAPanicInAQueryFailsThatQueryAlone(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{faults: true})
	for range 3 {
		answers := p.ask(remote(up.URL), query("A", map[string]any{"expr": "headwater_test_panic()"}), query("B", map[string]any{"expr": "up"}))
		if got := answers["A"]; got.err == "" || got.status != 500 || got.source != "plugin" {
			t.Errorf("error %q, status %d, source %q; want 500 of the plugin", got.err, got.status, got.source)
		}
		if frames := good(t, answers, "B"); len(frames) != 2 {
			t.Errorf("%d frames beside the panic", len(frames))
		}
	}
	if got := p.gauge(queriesInFlight); got != 0 {
		t.Errorf("%s is %v after panics", queriesInFlight, got)
	}
}

func TestAnEmptyRequestHasAnEmptyAnswer(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	if answers := p.ask(remote(up.URL)); len(answers) != 0 {
		t.Errorf("answers for no queries: %v", refIDs(answers))
	}
}

// Every refId is answered under its own name, whatever the name is.
func TestRefIdsAreKeptAsTheyAre(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	var queries []*pluginv2.DataQuery
	ids := []string{"", "A", "A-Instant", "Überschrift", `quote"slash\`, strings.Repeat("long", 100)}
	for _, id := range ids {
		queries = append(queries, query(id, map[string]any{"expr": "up"}))
	}
	answers := p.ask(remote(up.URL), queries...)
	for _, id := range ids {
		for _, frame := range good(t, answers, id) {
			if frame.RefID != id {
				t.Errorf("refId %q on a frame of %q", frame.RefID, id)
			}
		}
	}
}

func TestChunkedQueriesAreRefusedWithoutHarm(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	stream, err := p.data.QueryChunkedData(t.Context(), &pluginv2.QueryChunkedDataRequest{
		PluginContext: remote(up.URL).context(), Queries: []*pluginv2.DataQuery{query("A", map[string]any{"expr": "up"})},
	})
	if err == nil {
		_, err = stream.Recv()
	}
	// A build that answers it must answer in Arrow; nothing in Grafana 12.4 asks.
	if err != nil && status.Code(err) != codes.Unimplemented {
		t.Errorf("%v, want Unimplemented or an answer", err)
	}
	p.lives()
}

func TestCustomParametersAndTheMethodReachTheServer(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL).with("httpMethod", "GET").with("customQueryParameters", "tenant=blue&max=3")
	good(t, p.ask(ds, query("A", map[string]any{"expr": "up"})), "A")
	sent := up.queries("up")
	if len(sent) != 1 || sent[0].method != "GET" {
		t.Fatalf("the server got %v", sent)
	}
	for key, want := range map[string]string{"tenant": "blue", "max": "3"} {
		if got := sent[0].form[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s=%v, want %s", key, got, want)
		}
	}
}

func TestSecretsReachTheServerAndOnlyTheServer(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL).with("httpHeaderName1", "X-Scope-OrgID")
	ds.secrets = map[string]string{"apiKey": "k3y", "httpHeaderValue1": "tenant-9"}
	good(t, p.ask(ds, query("A", map[string]any{"expr": "up"})), "A")
	sent := up.queries("up")[0].header
	if got := sent.Get("Authorization"); got != "Bearer k3y" {
		t.Errorf("Authorization %q", got)
	}
	if got := sent.Get("X-Scope-OrgID"); got != "tenant-9" {
		t.Errorf("X-Scope-OrgID %q", got)
	}
}

func TestFramesAreValidForGrafanasOwnJSON(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, frame := range good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "up"})), "A") {
		encoded, err := data.FrameToJSON(frame, data.IncludeAll)
		if err != nil || !json.Valid(encoded) {
			t.Errorf("%v: %s", err, encoded)
		}
	}
}
