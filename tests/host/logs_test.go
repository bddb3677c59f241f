package host

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

var (
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$`)
	levels    = map[string]hclog.Level{"trace": hclog.Trace, "debug": hclog.Debug, "info": hclog.Info, "warn": hclog.Warn, "error": hclog.Error}
)

// checkLogLines holds every line on stderr to what Grafana's reader survives.
func checkLogLines(t *testing.T, p *plugin) {
	t.Helper()
	lines := p.logs.lines()
	if len(lines) == 0 {
		t.Fatal("the plugin logged nothing")
	}
	for _, line := range lines {
		if len(line) >= 64<<10 {
			t.Errorf("a line of %d bytes: %.200s…", len(line), line)
		}
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("no JSON object: %v: %.500s", err, line)
			continue
		}
		// Any other type than a string takes Grafana down.
		for _, key := range []string{"@level", "@message", "@timestamp", "@module"} {
			if _, ok := entry[key].(string); !ok {
				t.Errorf("%s is %T, want a string: %.500s", key, entry[key], line)
			}
		}
		if level, _ := entry["@level"].(string); levels[level] == hclog.NoLevel {
			t.Errorf("level %q: %.500s", level, line)
		}
		if at, _ := entry["@timestamp"].(string); !timestamp.MatchString(at) {
			t.Errorf("timestamp %q does not have six fractional digits: %.500s", at, line)
		}
	}
	// A line that go-plugin cannot read becomes a debug message that holds the whole line.
	for _, record := range p.heard.all() {
		if strings.HasPrefix(record.message, "{") {
			t.Errorf("go-plugin could not read %.500s", record.message)
		}
	}
}

// stir makes the plugin log whatever it logs: good and bad calls of every kind.
func stir(t *testing.T, p *plugin, ds dataSource) (said []string) {
	t.Helper()
	say := func(text ...string) { said = append(said, text...) }
	for _, expr := range []string{"up", "fails_422", "page_500", "hangs_up", "exporter", "headwater_test_panic()", "sum(", strings.Repeat("long", 50_000)} {
		answer := p.ask(ds, query("A", map[string]any{"expr": expr}))["A"]
		say(answer.err)
		for _, frame := range answer.encoded {
			say(string(frame))
		}
	}
	p.ask(ds, rawQuery("A", []byte("{")))
	broken := ds
	broken.rawJSON = append(mustEncode(ds.json), '}')
	broken.updated++
	say(p.health(broken).Message)
	wrong := ds.with("timeInterval", "often")
	wrong.updated += 2
	health := p.health(wrong)
	say(health.Message, string(health.JsonDetails))
	closed := ds
	closed.url, closed.updated = "http://127.0.0.1:1", ds.updated+3
	health = p.health(closed)
	say(health.Message, string(health.JsonDetails))
	say(p.ask(closed, query("A", map[string]any{"expr": "up"}))["A"].err)
	for _, path := range []string{"api/v1/labels", "nowhere", "test/panic", "metrics"} {
		got, err := p.tryCall(ds, resourceCall{method: "GET", path: path})
		if err != nil {
			say(err.Error())
		}
		say(string(got.body))
		for name, values := range got.header {
			say(name, strings.Join(values, " "))
		}
	}
	return said
}

func TestLogLinesAreWhatGrafanaReads(t *testing.T) {
	for _, level := range []string{"", "debug", "trace"} {
		t.Run("level "+level, func(t *testing.T) {
			up := startUpstream(t)
			p := start(t, launch{faults: true, env: []string{"GF_PLUGIN_LOG_LEVEL=" + level}})
			stir(t, p, remote(up.URL))
			p.client.Kill()
			checkLogLines(t, p)
		})
	}
}

func TestAnErrorReachesGrafanaAsAnError(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{faults: true})
	if _, err := p.tryCall(remote(up.URL), resourceCall{method: "GET", path: "test/panic"}); err != nil {
		t.Logf("the call failed as it should: %v", err)
	}
	eventually(t, "the panic is logged", func() bool {
		for _, record := range p.heard.all() {
			if record.level == hclog.Error && strings.Contains(record.message, "panic") {
				return true
			}
		}
		return false
	})
	checkLogLines(t, p)
}

// The secrets are planted wherever Grafana may hand one over, and looked for in everything
// that leaves the process except the calls to the server they are meant for.
func TestASecretIsNeverLoggedOrAnswered(t *testing.T) {
	up := startUpstream(t)
	for _, level := range []string{"info", "debug", "trace"} {
		t.Run(level, func(t *testing.T) {
			p := start(t, launch{faults: true, env: []string{"GF_PLUGIN_LOG_LEVEL=" + level, "RUST_LOG=" + level}})
			ds := remote(strings.Replace(up.URL, "http://", "http://user:s3cret-in-url@", 1)).
				with("httpHeaderName1", "X-Token").with("tlsAuth", false)
			ds.secrets = map[string]string{
				"apiKey":            "s3cret-key",
				"basicAuthPassword": "s3cret-password",
				"httpHeaderValue1":  "s3cret-header",
				"tlsClientKey":      "s3cret-client-key",
				"tlsCACert":         "s3cret-ca",
				"unknownSecret":     "s3cret-unknown",
			}
			said := stir(t, p, ds)
			p.client.Kill()
			if strings.Contains(p.logs.text(), "s3cret") {
				for _, line := range p.logs.lines() {
					if strings.Contains(line, "s3cret") {
						t.Errorf("logged: %.500s", line)
					}
				}
			}
			for _, text := range said {
				if strings.Contains(text, "s3cret") {
					t.Errorf("answered: %.500s", text)
				}
			}
			checkLogLines(t, p)
		})
	}
}
