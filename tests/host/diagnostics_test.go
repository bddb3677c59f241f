package host

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	healthy = pluginv2.CheckHealthResponse_OK
	failing = pluginv2.CheckHealthResponse_ERROR
)

func TestHealthIsGreenAgainstAServerThatAnswers(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	got := p.health(remote(up.URL))
	if got.Status != healthy || got.Message == "" {
		t.Errorf("status %s, message %q; want OK and a message", got.Status, got.Message)
	}
	if len(got.JsonDetails) > 0 && !json.Valid(got.JsonDetails) {
		t.Errorf("jsonDetails is no JSON: %s", got.JsonDetails)
	}
	if len(up.seen("")) == 0 {
		t.Error("the server was never asked")
	}
}

func TestHealthNamesTheServerThatDoesNotAnswer(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	p := start(t, launch{})
	got := p.health(remote(closed.URL))
	if got.Status != failing {
		t.Errorf("status %s for a server that is not there", got.Status)
	}
	if address := strings.TrimPrefix(closed.URL, "http://"); !strings.Contains(got.Message, address) {
		t.Errorf("the message does not name %s: %q", address, got.Message)
	}
	p.lives()
}

func TestHealthRecognisesAnExportersPage(t *testing.T) {
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.Write([]byte("# TYPE wiki_pages gauge\nwiki_pages 3\n"))
	}))
	defer exporter.Close()
	p := start(t, launch{})
	got := p.health(remote(exporter.URL))
	if got.Status != failing || !strings.Contains(got.Message, "embedded") {
		t.Errorf("%s %q; want an error that offers the embedded mode", got.Status, got.Message)
	}
}

// CheckHealth comes without a deadline, so that only the plugin itself can end it.
func TestHealthDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-silent:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(silent)
	p := start(t, launch{})
	if got := p.health(remote(server.URL)); got.Status != failing {
		t.Errorf("status %s for a server that never answers", got.Status)
	}
}

func TestMalformedSettingsAreNamedAndDoNotEndTheProcess(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for name, raw := range map[string]string{
		"cut off":   `{"engine":"remote"`,
		"no object": `[1,2]`,
		"no JSON":   "\x00\xff",
		"nested":    strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			ds := remote(up.URL)
			ds.rawJSON = []byte(raw)
			got := p.health(ds)
			if got.Status != failing || !strings.Contains(got.Message, "jsonData") {
				t.Errorf("%s %q; want an error that names jsonData", got.Status, got.Message)
			}
			answers := p.ask(ds, query("A", map[string]any{"expr": "up"}))
			if answers["A"].err == "" {
				t.Error("a query with malformed settings was answered")
			}
			p.lives()
		})
	}
	if got := p.health(remote(up.URL)); got.Status != healthy {
		t.Errorf("after the malformed settings: %s %q", got.Status, got.Message)
	}
}

func TestAWrongValueNamesItsKey(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for key, value := range map[string]any{
		"engine":          "steam",
		"timeInterval":    "often",
		"queryTimeout":    "soon",
		"httpMethod":      "BREW",
		"tlsSkipVerify":   "perhaps",
		"prometheusType":  42,
		"seriesLimit":     "lots",
		"httpHeaderName1": "not a header\n",
	} {
		t.Run(key, func(t *testing.T) {
			p := p.in(t)
			ds := remote(up.URL).with(key, value)
			ds.secrets = map[string]string{"httpHeaderValue1": "x"}
			got := p.health(ds)
			if got.Status != failing || !strings.Contains(got.Message, key) {
				t.Errorf("%s %q; want an error that names %s", got.Status, got.Message, key)
			}
		})
	}
	p.lives()
}

func TestUnknownKeysDoNotStandInTheWay(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL).with("aKeyOfTomorrow", map[string]any{"deep": []int{1}}).with("alertmanagerUid", "x")
	if got := p.health(ds); got.Status != healthy {
		t.Errorf("%s %q", got.Status, got.Message)
	}
}

func TestACallWithoutADataSourceIsAnErrorAndNotTheEnd(t *testing.T) {
	p := start(t, launch{})
	for name, context := range map[string]*pluginv2.PluginContext{
		"no context":  nil,
		"no instance": {OrgId: 1, PluginId: pluginID},
		"no user":     {OrgId: 1, PluginId: pluginID, DataSourceInstanceSettings: &pluginv2.DataSourceInstanceSettings{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			response, err := p.diagnostics.CheckHealth(t.Context(), &pluginv2.CheckHealthRequest{PluginContext: context})
			if err == nil && response.Status == healthy {
				t.Errorf("healthy without a data source: %q", response.Message)
			}
			answers, err := p.data.QueryData(t.Context(), &pluginv2.QueryDataRequest{
				PluginContext: context, Queries: []*pluginv2.DataQuery{query("A", map[string]any{"expr": "up"})},
			})
			if err == nil && answers.Responses["A"].GetError() == "" {
				t.Error("a query without a data source was answered")
			}
			p.lives()
		})
	}
}

// metrics are the plugin's own metrics, as Grafana asks for them: with nothing but the
// plugin's id.
func (p *plugin) metrics() map[string]*dto.MetricFamily {
	p.tb.Helper()
	response, err := p.diagnostics.CollectMetrics(p.tb.Context(), &pluginv2.CollectMetricsRequest{
		PluginContext: &pluginv2.PluginContext{PluginId: pluginID},
	})
	if err != nil {
		p.tb.Fatalf("CollectMetrics: %v\n%s", err, p.logs.text())
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(response.Metrics.GetPrometheus())))
	if err != nil {
		p.tb.Fatalf("the metrics are no Prometheus text: %v\n%s", err, response.Metrics.GetPrometheus())
	}
	return families
}

// gauge is the sum of a gauge's series.
func (p *plugin) gauge(name string) float64 {
	p.tb.Helper()
	family, ok := p.metrics()[name]
	if !ok {
		p.tb.Fatalf("no metric %s", name)
	}
	if family.GetType() != dto.MetricType_GAUGE {
		p.tb.Fatalf("%s is a %s, want a gauge", name, family.GetType())
	}
	var sum float64
	for _, m := range family.Metric {
		sum += m.GetGauge().GetValue()
	}
	return sum
}

const (
	queriesInFlight = "headwater_queries_in_flight"
	streamsRunning  = "headwater_streams_running"
)

func TestMetricsFollowPrometheusConventions(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	p.ask(remote(up.URL), query("A", map[string]any{"expr": "up"}), query("B", map[string]any{"expr": "fails_422"}))
	families := p.metrics()
	for _, name := range []string{queriesInFlight, streamsRunning} {
		if got := p.gauge(name); got != 0 {
			t.Errorf("%s is %v at rest", name, got)
		}
	}
	wellNamed := regexp.MustCompile(`^(headwater|process)_[a-z0-9_]+$`)
	for name, family := range families {
		if !wellNamed.MatchString(name) {
			t.Errorf("%s does not start with headwater_ or process_", name)
		}
		if family.GetHelp() == "" {
			t.Errorf("%s has no HELP", name)
		}
		if counter := family.GetType() == dto.MetricType_COUNTER; counter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s: counters, and only they, end in _total", name, family.GetType())
		}
		if family.GetType() == dto.MetricType_UNTYPED {
			t.Errorf("%s has no TYPE", name)
		}
	}
}

// What a data source has stored is part of the plugin's metrics, under its uid.
func TestMetricsTellOfEachDataSourcesStore(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.Write([]byte("# TYPE wiki_pages gauge\nwiki_pages 3\n"))
	}))
	defer app.Close()
	p := start(t, launch{env: []string{"GF_PLUGIN_DATA_DIR=" + t.TempDir()}})
	ds := remote(app.URL).with("engine", "embedded")
	if got := p.health(ds); got.Status != healthy {
		t.Fatalf("%s: %s", got.Status, got.Message)
	}
	families := p.metrics()
	for name, least := range map[string]float64{
		"headwater_head_series": 1, "headwater_samples_appended_total": 1, "headwater_wal_bytes": 1,
	} {
		family, ok := families[name]
		if !ok || len(family.Metric) != 1 {
			t.Fatalf("%s: %v; want one series", name, family)
		}
		metric := family.Metric[0]
		if value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue(); value < least {
			t.Errorf("%s is %v after a scrape", name, value)
		}
		labels := map[string]string{}
		for _, label := range metric.Label {
			labels[label.GetName()] = label.GetValue()
		}
		if labels["uid"] != ds.uid || labels["org"] != "1" {
			t.Errorf("%s is of %v, want %s of org 1", name, labels, ds.uid)
		}
	}
	for _, metric := range families["headwater_targets"].GetMetric() {
		for _, label := range metric.Label {
			if label.GetName() == "health" && (metric.GetGauge().GetValue() == 1) != (label.GetValue() == "up") {
				t.Errorf("%v targets are %s", metric.GetGauge().GetValue(), label.GetValue())
			}
		}
	}
}

// A test of a new data source waits for the first answer of a slow app, so that it can say what
// the app gives.
func TestHealthWaitsForTheFirstScrapeOfASlowApp(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(4 * time.Second):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.Write([]byte("# TYPE wiki_pages gauge\nwiki_pages 3\n"))
	}))
	defer app.Close()
	p := start(t, launch{env: []string{"GF_PLUGIN_DATA_DIR=" + t.TempDir()}})
	ds := remote(app.URL).with("engine", "embedded")
	if got := p.health(ds); got.Status != healthy || !strings.Contains(got.Message, "gives 1 series") {
		t.Fatalf("%s: %s", got.Status, got.Message)
	}
}
