package host

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestPrometheusPathsPassThrough(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL)
	for _, c := range []struct{ path, query, data string }{
		{"api/v1/labels", "match[]=up&start=1&end=2", `["__name__","instance","job"]`},
		{"api/v1/label/job/values", "limit=10", `["app","db"]`},
		{"api/v1/series", "match[]=up", `[{"__name__":"up","job":"app"}]`},
		{"api/v1/metadata", "", `{"up":[{"help":"Whether the target answered.","type":"gauge","unit":""}]}`},
		{"api/v1/status/buildinfo", "", `{"revision":"test","version":"2.42.0"}`},
	} {
		t.Run(c.path, func(t *testing.T) {
			got, err := p.tryCall(ds, resourceCall{method: "GET", path: c.path, query: url.PathEscape(c.query)})
			if c.query != "" {
				// Grafana hands the raw query over as the browser sent it.
				got, err = p.tryCall(ds, resourceCall{method: "GET", path: c.path, query: c.query})
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.code != 200 {
				t.Fatalf("status %d: %s", got.code, got.body)
			}
			if kind := got.get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
				t.Errorf("Content-Type %q", kind)
			}
			var envelope struct {
				Status string
				Data   json.RawMessage
			}
			if err := json.Unmarshal(got.body, &envelope); err != nil {
				t.Fatalf("%v: %s", err, got.body)
			}
			if envelope.Status != "success" || !sameJSON(t, envelope.Data, []byte(c.data)) {
				t.Errorf("got %s, want data %s", got.body, c.data)
			}
			sent := up.seen(c.path)
			if len(sent) == 0 {
				t.Fatal("the server was not asked")
			}
			want, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			last := sent[len(sent)-1].form
			for key, values := range want {
				if !reflect.DeepEqual(last[key], values) {
					t.Errorf("the server got %s=%v, want %v", key, last[key], values)
				}
			}
		})
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var left, right any
	if err := json.Unmarshal(a, &left); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	if err := json.Unmarshal(b, &right); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return reflect.DeepEqual(left, right)
}

func TestAFormBodyPassesThrough(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	got, err := p.tryCall(remote(up.URL), resourceCall{
		method: "POST", path: "api/v1/query",
		header: map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}},
		body:   []byte("query=up&time=1700000000"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.code != 200 || !strings.Contains(string(got.body), `"resultType":"vector"`) {
		t.Errorf("status %d: %s", got.code, got.body)
	}
	if sent := up.queries("up"); len(sent) != 1 || sent[0].form.Get("time") != "1700000000" {
		t.Errorf("the server got %v", sent)
	}
}

func TestAnErrorOfTheServerKeepsItsStatusAndWords(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	got := p.call(remote(up.URL), "GET", "api/v1/label/broken/values", nil)
	if got.code != 422 || !strings.Contains(string(got.body), "the label is broken") {
		t.Errorf("status %d: %s", got.code, got.body)
	}
}

func TestAnUnknownPathIsNotFoundAndAnUnknownMethodNotAllowed(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, c := range []struct {
		method, path string
		want         int32
	}{
		{"GET", "", 404},
		{"GET", "nowhere", 404},
		{"GET", "api/v1/nowhere", 404},
		{"GET", "api/v1/admin/tsdb/snapshot", 404},
		{"POST", "api/v1/admin/tsdb/delete_series", 404},
		{"POST", "-/quit", 404},
		{"GET", "metrics/../../-/quit", 404},
		{"GET", "api/v1/label/../../../-/quit/values", 404},
		{"GET", "api/v1/../../-/healthy", 404},
		{"GET", "http://example.org/api/v1/labels", 404},
		{"GET", "\x00", 400},
		{"DELETE", "api/v1/labels", 405},
		{"BREW", "api/v1/labels", 405},
		{"", "api/v1/labels", 400},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			p := p.in(t)
			before := len(up.seen(""))
			got := p.call(remote(up.URL), c.method, c.path, nil)
			if got.code != c.want {
				t.Errorf("status %d, want %d: %s", got.code, c.want, got.body)
			}
			var body struct{ Message, Error string }
			if err := json.Unmarshal(got.body, &body); err != nil || body.Message+body.Error == "" {
				t.Errorf("no JSON message: %s", got.body)
			}
			if kind := got.get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
				t.Errorf("Content-Type %q", kind)
			}
			if after := up.seen(""); len(after) != before {
				t.Errorf("the server was asked: %v", after[before:])
			}
		})
	}
	p.lives()
}

func TestThePluginIsNoDoorForTheBrowsersHeaders(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	_, err := p.tryCall(remote(up.URL), resourceCall{
		method: "GET", path: "api/v1/labels",
		header: map[string][]string{
			"Cookie":        {"grafana_session=stolen"},
			"Authorization": {"Bearer of-the-user"},
			"X-Id-Token":    {"id-of-the-user"},
			"Connection":    {"close, X-Hop"},
			"X-Hop":         {"by"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := up.seen("labels")
	if len(sent) != 1 {
		t.Fatalf("the server got %d calls", len(sent))
	}
	// Neither oauthPassThru nor keepCookies is set.
	for _, name := range []string{"Cookie", "Authorization", "X-Id-Token", "X-Hop"} {
		if value := sent[0].header.Get(name); value != "" {
			t.Errorf("%s: %s was sent on", name, value)
		}
	}
}

func TestAPanicInAResourceFailsThatCallAlone(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{faults: true})
	for range 3 {
		got, err := p.tryCall(remote(up.URL), resourceCall{method: "GET", path: "test/panic"})
		switch {
		case err != nil && status.Code(err) != codes.Internal:
			t.Errorf("code %s, want Internal or a 500: %v", status.Code(err), err)
		case err == nil && got.code != 500:
			t.Errorf("status %d, want 500: %s", got.code, got.body)
		}
		p.lives()
	}
}

func TestFaultsAreNotServedUnlessAskedFor(t *testing.T) {
	up := startUpstream(t)
	for name, how := range map[string]launch{
		"not asked for": {env: []string{"GF_PLUGIN_TEST_FAULTS="}},
		"asked for":     {env: []string{"GF_PLUGIN_TEST_FAULTS=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if len(how.env[0]) > len("GF_PLUGIN_TEST_FAULTS=") && binary(t) == debugBinary(t) {
				t.Skip("SKIPPED: the binary under test is a debug build; in a release build no variable brings the faults back")
			}
			p := start(t, how)
			if got := p.call(remote(up.URL), "GET", "test/panic", nil); got.code != 404 {
				t.Errorf("status %d, want 404: %s", got.code, got.body)
			}
		})
	}
}
