package host

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAStreamThatNobodyServesIsNotFound(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, path := range []string{"", "nowhere", "query", "../query/x", strings.Repeat("a/", 10_000), "\x00"} {
		got, err := p.stream.SubscribeStream(t.Context(), &pluginv2.SubscribeStreamRequest{PluginContext: remote(up.URL).context(), Path: path})
		if err != nil {
			t.Fatalf("%.40q: %v", path, err)
		}
		if got.Status != pluginv2.SubscribeStreamResponse_NOT_FOUND {
			t.Errorf("%.40q: %s, want NOT_FOUND", path, got.Status)
		}
	}
	p.lives()
}

func TestRunningAStreamThatNobodyServesFails(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	packets, err := p.stream.RunStream(t.Context(), &pluginv2.RunStreamRequest{PluginContext: remote(up.URL).context(), Path: "nowhere"})
	if err == nil {
		_, err = packets.Recv()
	}
	if status.Code(err) != codes.NotFound {
		t.Errorf("%v, want NotFound", err)
	}
	p.lives()
}

func TestNobodyMayPublish(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for _, path := range []string{"nowhere", streamPath} {
		got, err := p.stream.PublishStream(t.Context(), &pluginv2.PublishStreamRequest{
			PluginContext: remote(up.URL).context(), Path: path, Data: []byte(`{"a":1}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != pluginv2.PublishStreamResponse_PERMISSION_DENIED {
			t.Errorf("%s: %s, want PERMISSION_DENIED", path, got.Status)
		}
	}
}

// streamPath is a channel of the plugin: a query whose answer is sent again and again.
const streamPath = "query/host-test"

func streamData() []byte {
	return mustEncode(map[string]any{"refId": "A", "expr": "up", "intervalMs": 1000, "range": true})
}

// served tells whether this build serves query streams, and skips the test where it does not.
func served(t *testing.T, p *plugin, ds dataSource) {
	t.Helper()
	got, err := p.stream.SubscribeStream(t.Context(), &pluginv2.SubscribeStreamRequest{PluginContext: ds.context(), Path: streamPath, Data: streamData()})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status == pluginv2.SubscribeStreamResponse_NOT_FOUND {
		t.Skip("SKIPPED: this build serves no query streams")
	}
	if got.Status != pluginv2.SubscribeStreamResponse_OK {
		t.Fatalf("%s, want OK", got.Status)
	}
}

func TestAStreamSendsFramesAndEndsWithItsLastSubscriber(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL)
	served(t, p, ds)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	packets, err := p.stream.RunStream(ctx, &pluginv2.RunStreamRequest{PluginContext: ds.context(), Path: streamPath, Data: streamData()})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		packet, err := packets.Recv()
		if err != nil {
			t.Fatal(err)
		}
		frame := readPacket(t, packet.Data)
		fields, values := frame.Schema.Fields, frame.Data.Values
		// The schema may be left out while it is the same as before.
		if n == 0 && (len(fields) != 3 || fields[0].Type != "time" || fields[1].Type != "number") {
			t.Fatalf("want a time and one number for each of two series: %s", packet.Data)
		}
		if len(values) != 3 || len(values[0]) != 1 || values[1][0] != 1.0 || values[2][0] != 1.0 {
			t.Errorf("want one row of ones: %s", packet.Data)
		}
		if got := p.gauge(streamsRunning); got != 1 {
			t.Errorf("%s is %v while one stream runs", streamsRunning, got)
		}
	}
	cancel()
	eventually(t, "the stream ends after its last subscriber left", func() bool { return p.gauge(streamsRunning) == 0 })
	p.lives()
}

// liveFrame is a JSON frame as Grafana's frontend reads it; Grafana itself passes it on unread.
type liveFrame struct {
	Schema struct{ Fields []struct{ Name, Type string } }
	Data   struct{ Values [][]any }
}

func readPacket(t *testing.T, packet []byte) (frame liveFrame) {
	t.Helper()
	if err := json.Unmarshal(packet, &frame); err != nil {
		t.Fatalf("no JSON frame: %v\n%s", err, packet)
	}
	return frame
}

// One stream serves all subscribers of a channel. Who comes late has not seen its first
// packet, and cannot draw values without a schema.
func TestALateSubscriberLearnsTheSchema(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL)
	served(t, p, ds)
	packets, err := p.stream.RunStream(t.Context(), &pluginv2.RunStreamRequest{PluginContext: ds.context(), Path: streamPath, Data: streamData()})
	if err != nil {
		t.Fatal(err)
	}
	receive := func() liveFrame {
		packet, err := packets.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return readPacket(t, packet.Data)
	}
	receive()
	late, err := p.stream.SubscribeStream(t.Context(), &pluginv2.SubscribeStreamRequest{PluginContext: ds.context(), Path: streamPath, Data: streamData()})
	if err != nil {
		t.Fatal(err)
	}
	if len(late.Data) > 0 && len(readPacket(t, late.Data).Schema.Fields) == 3 {
		return
	}
	if frame := receive(); len(frame.Schema.Fields) != 3 {
		t.Error("neither the answer to a late subscription nor the packet after it carries the schema")
	}
}

func TestManyStreamsEndTogether(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL)
	served(t, p, ds)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 50 {
		if _, err := p.stream.RunStream(ctx, &pluginv2.RunStreamRequest{PluginContext: ds.context(), Path: streamPath, Data: streamData()}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all streams run", func() bool { return p.gauge(streamsRunning) == 50 })
	cancel()
	eventually(t, "all streams end", func() bool { return p.gauge(streamsRunning) == 0 })
}
