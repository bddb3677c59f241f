package host

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTwoInstancesAskTheirOwnServers(t *testing.T) {
	first, second, third := startUpstream(t), startUpstream(t), startUpstream(t)
	p := start(t, launch{})
	sources := map[*upstream]dataSource{first: remote(first.URL), second: remote(second.URL)}
	// The second differs in its uid, the third has the first's uid in another organisation.
	elsewhere := sources[first]
	elsewhere.org, elsewhere.url = 2, third.URL
	sources[third] = elsewhere

	for round := range 2 {
		for server, ds := range sources {
			expr := fmt.Sprintf("up_%d_%d", ds.number(), round)
			good(t, p.ask(ds, query("A", map[string]any{"expr": expr})), "A")
			for asked := range sources {
				if got := len(asked.queries(expr)); (asked == server) != (got == 1) {
					t.Errorf("%s of org %d: a server got %d calls for %s", ds.uid, ds.org, got, expr)
				}
			}
		}
	}
}

func TestChangedSettingsHoldForTheNextQuery(t *testing.T) {
	before, after := startUpstream(t), startUpstream(t)
	p := start(t, launch{})
	ds := remote(before.URL)
	good(t, p.ask(ds, query("A", map[string]any{"expr": "up"})), "A")
	ds.url, ds.updated = after.URL, ds.updated+1
	good(t, p.ask(ds, query("A", map[string]any{"expr": "up"})), "A")
	if b, a := len(before.queries("up")), len(after.queries("up")); b != 1 || a != 1 {
		t.Errorf("the old server got %d queries and the new one %d, want one each", b, a)
	}
}

func TestARunningQuerySurvivesAChangeOfSettings(t *testing.T) {
	before, after := startUpstream(t), startUpstream(t)
	p := start(t, launch{})
	old := remote(before.URL)
	running := make(chan map[string]answer, 1)
	go func() { running <- p.ask(old, query("A", map[string]any{"expr": "blocked"})) }()
	eventually(t, "the query waits upstream", func() bool { waiting, _ := before.state(); return waiting == 1 })

	changed := old
	changed.url, changed.updated = after.URL, old.updated+1
	good(t, p.ask(changed, query("A", map[string]any{"expr": "up"})), "A")
	if waiting, hungUp := before.state(); waiting != 1 || hungUp != 0 {
		t.Fatalf("the change ended the running query: %d waiting, %d hung up", waiting, hungUp)
	}
	before.release()
	if got := (<-running)["A"]; got.err != "" {
		t.Errorf("the running query failed: %s", got.err)
	}
}

// Two hundred and forty changes while eight panels ask: each request is answered once, with
// the settings that it carries, even where newer ones were seen meanwhile.
func TestSettingsChangeUnderLoad(t *testing.T) {
	servers := []*upstream{startUpstream(t), startUpstream(t)}
	p := start(t, launch{})
	var version atomic.Int64
	first := remote(servers[0].URL)
	changed := func() (dataSource, *upstream) {
		v := version.Add(1)
		server := servers[v%2]
		ds := first
		ds.url, ds.updated = server.URL, first.updated+v
		return ds, server
	}
	var askers sync.WaitGroup
	for panel := range 8 {
		askers.Add(1)
		go func() {
			defer askers.Done()
			for n := range 30 {
				ds, server := changed()
				expr := fmt.Sprintf("load_%d_%d", panel, n)
				got, err := p.data.QueryData(t.Context(), request(ds, query("A", map[string]any{"expr": expr})))
				if err != nil {
					t.Errorf("%s: %v", expr, err)
					return
				}
				if problem := got.Responses["A"].GetError(); problem != "" {
					t.Errorf("%s: %s", expr, problem)
				}
				if calls := len(server.queries(expr)); calls != 1 {
					t.Errorf("%s: its server got %d calls", expr, calls)
				}
			}
		}()
	}
	askers.Wait()
	ds, server := changed()
	good(t, p.ask(ds, query("A", map[string]any{"expr": "after"})), "A")
	if calls := len(server.queries("after")); calls != 1 {
		t.Errorf("after the load the newest settings' server got %d calls", calls)
	}
	eventually(t, "nothing stays in flight", func() bool { return p.gauge(queriesInFlight) == 0 })
	// One data source is one instance, however often it was changed.
	if got := p.gauge("headwater_instances"); got != 1 {
		t.Errorf("headwater_instances is %v, want 1", got)
	}
}
