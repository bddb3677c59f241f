package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// The time range of every query that does not choose its own: five minutes that start on a
// multiple of fifteen seconds.
var (
	rangeFrom = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rangeTo   = rangeFrom.Add(5 * time.Minute)
)

// query is one panel query over rangeFrom to rangeTo with a step of 15 s.
func query(refID string, json map[string]any) *pluginv2.DataQuery {
	return rawQuery(refID, mustEncode(json))
}

func mustEncode(value any) []byte {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return encoded
}

func rawQuery(refID string, json []byte) *pluginv2.DataQuery {
	return &pluginv2.DataQuery{
		RefId:         refID,
		MaxDataPoints: 1500,
		IntervalMS:    15_000,
		TimeRange:     &pluginv2.TimeRange{FromEpochMS: rangeFrom.UnixMilli(), ToEpochMS: rangeTo.UnixMilli()},
		Json:          json,
	}
}

func request(ds dataSource, queries ...*pluginv2.DataQuery) *pluginv2.QueryDataRequest {
	return &pluginv2.QueryDataRequest{
		PluginContext: ds.context(),
		Headers:       map[string]string{"http_X-Dashboard-Uid": "board", "FromAlert": "false"},
		Queries:       queries,
	}
}

// answer is one refId's response with its frames decoded as Grafana decodes them.
type answer struct {
	frames  data.Frames
	err     string
	status  int32
	source  string
	encoded [][]byte
}

// ask sends the queries as one request and decodes every frame of the response.
func (p *plugin) ask(ds dataSource, queries ...*pluginv2.DataQuery) map[string]answer {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	response, err := p.data.QueryData(ctx, request(ds, queries...))
	if err != nil {
		p.tb.Fatalf("QueryData: %v\n%s", err, p.logs.text())
	}
	return decode(p.tb, response)
}

func decode(tb testing.TB, response *pluginv2.QueryDataResponse) map[string]answer {
	tb.Helper()
	answers := map[string]answer{}
	for refID, r := range response.Responses {
		frames, err := data.UnmarshalArrowFrames(r.Frames)
		if err != nil {
			tb.Fatalf("refId %s: a frame that Grafana cannot read: %v", refID, err)
		}
		answers[refID] = answer{frames, r.Error, r.Status, r.ErrorSource, r.Frames}
	}
	return answers
}

// good returns the frames of an answer that must not hold an error.
func good(tb testing.TB, answers map[string]answer, refID string) data.Frames {
	tb.Helper()
	got, ok := answers[refID]
	if !ok {
		tb.Fatalf("no response for refId %s, only for %v", refID, refIDs(answers))
	}
	if got.err != "" {
		tb.Fatalf("refId %s: %s (status %d, %s)", refID, got.err, got.status, got.source)
	}
	if got.status != 0 && got.status != 200 {
		tb.Errorf("refId %s: status %d without an error", refID, got.status)
	}
	return got.frames
}

func refIDs(answers map[string]answer) []string {
	var ids []string
	for id := range answers {
		ids = append(ids, id)
	}
	return ids
}

// health asks CheckHealth as Grafana does: without a deadline of its own.
func (p *plugin) health(ds dataSource) *pluginv2.CheckHealthResponse {
	p.tb.Helper()
	response, err := p.diagnostics.CheckHealth(context.Background(), &pluginv2.CheckHealthRequest{PluginContext: ds.context()})
	if err != nil {
		p.tb.Fatalf("CheckHealth: %v\n%s", err, p.logs.text())
	}
	return response
}

// resource is the whole answer of a resource call: status and headers of the first message,
// bodies of all.
type resource struct {
	code   int32
	header map[string][]string
	body   []byte
}

func (r resource) get(name string) string {
	for key, values := range r.header {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

type resourceCall struct {
	method, path, query string
	header              map[string][]string
	body                []byte
}

func (p *plugin) call(ds dataSource, method, path string, body []byte) resource {
	p.tb.Helper()
	got, err := p.tryCall(ds, resourceCall{method: method, path: path, body: body})
	if err != nil {
		p.tb.Fatalf("CallResource %s %s: %v\n%s", method, path, err, p.logs.text())
	}
	return got
}

func (p *plugin) tryCall(ds dataSource, c resourceCall) (resource, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := c.path
	if c.query != "" {
		url += "?" + c.query
	}
	headers := map[string]*pluginv2.StringList{}
	for name, values := range c.header {
		headers[name] = &pluginv2.StringList{Values: values}
	}
	messages, err := p.resource.CallResource(ctx, &pluginv2.CallResourceRequest{
		PluginContext: ds.context(), Path: c.path, Method: c.method, Url: url, Headers: headers, Body: c.body,
	})
	if err != nil {
		return resource{}, err
	}
	var got resource
	for first := true; ; first = false {
		message, err := messages.Recv()
		if errors.Is(err, io.EOF) {
			if first {
				return resource{}, errors.New("the stream ended without a message")
			}
			return got, nil
		}
		if err != nil {
			return resource{}, err
		}
		if first {
			got.code = message.Code
			got.header = map[string][]string{}
			for name, values := range message.Headers {
				got.header[name] = values.Values
			}
		}
		got.body = append(got.body, message.Body...)
	}
}
