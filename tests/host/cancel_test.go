package host

import (
	"context"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestACancelledQueryEndsEverywhere(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := p.data.QueryData(ctx, request(remote(up.URL), query("A", map[string]any{"expr": "blocked"})))
		asked <- err
	}()
	eventually(t, "the query reaches the upstream", func() bool { waiting, _ := up.state(); return waiting == 1 })
	if got := p.gauge(queriesInFlight); got != 1 {
		t.Errorf("%s is %v while one query runs", queriesInFlight, got)
	}
	cancel()
	if err := <-asked; status.Code(err) != codes.Canceled {
		t.Errorf("%v, want Canceled", err)
	}
	eventually(t, "the upstream sees the connection closed", func() bool { waiting, hungUp := up.state(); return waiting == 0 && hungUp == 1 })
	eventually(t, "the gauge returns to 0", func() bool { return p.gauge(queriesInFlight) == 0 })
}

func TestACancelledResourceCallEndsUpstream(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages, err := p.resource.CallResource(ctx, &pluginv2.CallResourceRequest{
		PluginContext: remote(up.URL).context(), Method: "GET", Path: "api/v1/query", Url: "api/v1/query?query=blocked",
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the call reaches the upstream", func() bool { waiting, _ := up.state(); return waiting == 1 })
	cancel()
	if _, err := messages.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("%v, want Canceled", err)
	}
	eventually(t, "the upstream sees the connection closed", func() bool { _, hungUp := up.state(); return hungUp == 1 })
}

// Alerting sends a deadline. An answer per query, just before it, tells which query was
// slow; a gRPC error would only tell that some was.
func TestADeadlineIsAnsweredPerQueryJustBeforeIt(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	response, err := p.data.QueryData(ctx, request(remote(up.URL),
		query("A", map[string]any{"expr": "up"}), query("B", map[string]any{"expr": "blocked"})))
	if err != nil {
		t.Fatalf("the deadline passed without an answer: %v", err)
	}
	answers := decode(t, response)
	if frames := good(t, answers, "A"); len(frames) != 2 {
		t.Errorf("%d frames for the query that was in time", len(frames))
	}
	if got := answers["B"]; got.err == "" || got.status != 504 {
		t.Errorf("error %q, status %d; want 504", got.err, got.status)
	}
	eventually(t, "the upstream sees the connection closed", func() bool { _, hungUp := up.state(); return hungUp == 1 })
	eventually(t, "the gauge returns to 0", func() bool { return p.gauge(queriesInFlight) == 0 })
}

func TestADeadlineThatHasPassedDoesNoHarm(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, patience := range []time.Duration{time.Microsecond, time.Millisecond, 10 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		// Either answer is right; that the process lives is what counts.
		_, _ = p.data.QueryData(ctx, request(remote(up.URL), query("A", map[string]any{"expr": "blocked"})))
		cancel()
	}
	eventually(t, "nothing stays in flight", func() bool { return p.gauge(queriesInFlight) == 0 })
	p.lives()
}

func TestTheQueryTimeoutOfTheSettingsEndsAQuery(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	got := p.ask(remote(up.URL).with("queryTimeout", "1s"), query("A", map[string]any{"expr": "blocked"}))["A"]
	if got.err == "" || got.status != 504 {
		t.Errorf("error %q, status %d; want 504", got.err, got.status)
	}
	eventually(t, "the upstream sees the connection closed", func() bool { _, hungUp := up.state(); return hungUp == 1 })
}
