package host

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// call is one request that the plugin sent upstream.
type call struct {
	method, path string
	// form holds the parameters of the URL and of a form body.
	form   url.Values
	header http.Header
}

// upstream imitates a Prometheus server as far as these tests ask it. What it answers is
// chosen by the expression:
//
//	up               two series (job app, one instance each), value 1 at every step
//	blocked          nothing until release or until the caller hangs up
//	fails_<code>     that status with a Prometheus error body
//	page_<code>      that status with an HTML page
//	exporter         an exposition page where JSON was expected
//	hangs_up         the connection is closed without an answer
//	warned           `up` with one warning and one info
//	scalar, string   an instant answer of that type
//	histogram        one native histogram
//	specials         a series with NaN, +Inf and -Inf
//	many_<n>         n series of one sample per step
//	empty            no series
//	warned_empty     no series, one warning
//	costly           `up` with statistics
//	panel_<n>        `up`, once all of a refresh are there
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
	// waiting and hungUp count the requests for `blocked` that are open and that ended
	// because the caller closed the connection.
	waiting, hungUp int
	released        chan struct{}
	// gathered holds the queries for panels while it is open.
	gathered chan struct{}
}

// gather makes the queries for panels wait until the returned function is called.
func (u *upstream) gather() (letGo func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	gathered := make(chan struct{})
	u.gathered = gathered
	return func() { close(gathered) }
}

func startUpstream(tb testing.TB) *upstream {
	tb.Helper()
	u := &upstream{released: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, r *http.Request) { u.answer(w, r, false) })
	mux.HandleFunc("/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) { u.answer(w, r, true) })
	mux.HandleFunc("/api/v1/labels", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Upstream", "labels")
		writeData(w, []string{"__name__", "instance", "job"})
	})
	mux.HandleFunc("/api/v1/label/", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "broken") {
			writeError(w, http.StatusUnprocessableEntity, "execution", "the label is broken")
			return
		}
		writeData(w, []string{"app", "db"})
	})
	mux.HandleFunc("/api/v1/series", func(w http.ResponseWriter, _ *http.Request) {
		writeData(w, []map[string]string{{"__name__": "up", "job": "app"}})
	})
	mux.HandleFunc("/api/v1/query_exemplars", func(w http.ResponseWriter, r *http.Request) {
		start, _ := strconv.ParseFloat(r.Form.Get("start"), 64)
		writeData(w, []any{map[string]any{
			"seriesLabels": map[string]string{"job": "app"},
			"exemplars":    []any{map[string]any{"labels": map[string]string{"trace_id": "abc"}, "value": "0.5", "timestamp": start + 1}},
		}})
	})
	mux.HandleFunc("/api/v1/metadata", func(w http.ResponseWriter, _ *http.Request) {
		writeData(w, map[string]any{"up": []map[string]string{{"type": "gauge", "help": "Whether the target answered.", "unit": ""}}})
	})
	mux.HandleFunc("/api/v1/status/buildinfo", func(w http.ResponseWriter, _ *http.Request) {
		writeData(w, map[string]string{"version": "2.42.0", "revision": "test"})
	})
	mux.HandleFunc("/api/v1/status/flags", func(w http.ResponseWriter, _ *http.Request) {
		writeData(w, map[string]string{})
	})
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The body must be read to its end before the server notices that a caller hung up.
		if err := r.ParseForm(); err != nil {
			writeError(w, http.StatusBadRequest, "bad_data", err.Error())
			return
		}
		u.mu.Lock()
		u.calls = append(u.calls, call{r.Method, r.URL.Path, r.Form, r.Header.Clone()})
		u.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	tb.Cleanup(func() {
		u.release()
		u.CloseClientConnections()
		u.Close()
	})
	return u
}

// release lets every query for `blocked` answer, now and later.
func (u *upstream) release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-u.released:
	default:
		close(u.released)
	}
}

func (u *upstream) state() (waiting, hungUp int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.waiting, u.hungUp
}

// seen are the calls whose path ends so.
func (u *upstream) seen(suffix string) []call {
	u.mu.Lock()
	defer u.mu.Unlock()
	var found []call
	for _, c := range u.calls {
		if strings.HasSuffix(c.path, suffix) {
			found = append(found, c)
		}
	}
	return found
}

// queries are the calls for one expression, range and instant.
func (u *upstream) queries(expr string) []call {
	u.mu.Lock()
	defer u.mu.Unlock()
	var found []call
	for _, c := range u.calls {
		if c.form.Get("query") == expr {
			found = append(found, c)
		}
	}
	return found
}

func (u *upstream) block(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.waiting++
	u.mu.Unlock()
	gaveUp := false
	select {
	case <-u.released:
	case <-r.Context().Done():
		gaveUp = true
	}
	u.mu.Lock()
	u.waiting--
	if gaveUp {
		u.hungUp++
	}
	u.mu.Unlock()
	if !gaveUp {
		writeData(w, map[string]any{"resultType": "matrix", "result": []any{}})
	}
}

// refuse is what Prometheus finds wrong with the parameters of a query.
func refuse(form url.Values, ranged bool) string {
	if form.Get("query") == "" {
		return `invalid parameter "query": unknown position: parse error: no expression found in input`
	}
	if !ranged {
		if _, err := strconv.ParseFloat(form.Get("time"), 64); err != nil && form.Get("time") != "" {
			return `invalid parameter "time": ` + err.Error()
		}
		return ""
	}
	var numbers [3]float64
	for i, key := range []string{"start", "end", "step"} {
		var err error
		if numbers[i], err = strconv.ParseFloat(form.Get(key), 64); err != nil {
			return fmt.Sprintf("invalid parameter %q: %v", key, err)
		}
	}
	switch start, end, step := numbers[0], numbers[1], numbers[2]; {
	case end < start:
		return `invalid parameter "end": end timestamp must not be before start time`
	case step <= 0:
		return `invalid parameter "step": zero or negative query resolution step widths are not accepted`
	case (end-start)/step > 11_000:
		return "exceeded maximum resolution of 11,000 points per timeseries"
	}
	return ""
}

func (u *upstream) answer(w http.ResponseWriter, r *http.Request, ranged bool) {
	expr := r.Form.Get("query")
	if refusal := refuse(r.Form, ranged); refusal != "" {
		writeError(w, http.StatusBadRequest, "bad_data", refusal)
		return
	}
	series := func(name string, labels map[string]string, value func(i int) string) any {
		metric := map[string]string{"__name__": name}
		for k, v := range labels {
			metric[k] = v
		}
		if !ranged {
			at, _ := strconv.ParseFloat(r.Form.Get("time"), 64)
			return map[string]any{"metric": metric, "value": []any{at, value(0)}}
		}
		start, _ := strconv.ParseFloat(r.Form.Get("start"), 64)
		end, _ := strconv.ParseFloat(r.Form.Get("end"), 64)
		step, _ := strconv.ParseFloat(r.Form.Get("step"), 64)
		values := []any{}
		for i := 0; step > 0 && i <= 11_000; i++ {
			at := start + float64(i)*step
			if at > end {
				break
			}
			values = append(values, []any{math.Round(at*1000) / 1000, value(i)})
		}
		return map[string]any{"metric": metric, "values": values}
	}
	one := func(int) string { return "1" }
	resultType := "vector"
	if ranged {
		resultType = "matrix"
	}
	app := series("up", map[string]string{"job": "app", "instance": "a:80"}, one)
	both := []any{app, series("up", map[string]string{"job": "app", "instance": "b:80"}, one)}

	code := func(prefix string) (int, bool) {
		digits, found := strings.CutPrefix(expr, prefix)
		n, err := strconv.Atoi(digits)
		return n, found && err == nil
	}
	if n, ok := code("fails_"); ok {
		writeError(w, n, "execution", fmt.Sprintf("the expression fails with %d", n))
		return
	}
	if n, ok := code("page_"); ok {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(n)
		fmt.Fprintf(w, "<html><body>gateway says %d</body></html>", n)
		return
	}
	if n, ok := code("many_"); ok {
		result := make([]any, n)
		for i := range result {
			result[i] = series("many", map[string]string{"i": strconv.Itoa(i)}, one)
		}
		writeData(w, map[string]any{"resultType": resultType, "result": result})
		return
	}
	if strings.HasPrefix(expr, "panel_") {
		u.mu.Lock()
		gathered := u.gathered
		u.mu.Unlock()
		select {
		case <-gathered:
		case <-r.Context().Done():
		}
	}
	switch expr {
	case "warned_empty":
		writeJSON(w, http.StatusOK, map[string]any{
			"status": "success", "warnings": []string{"a replica is down"},
			"data": map[string]any{"resultType": resultType, "result": []any{}},
		})
	case "costly":
		writeData(w, map[string]any{"resultType": resultType, "result": both, "stats": map[string]any{
			"timings": map[string]any{"evalTotalTime": 0.25}, "samples": map[string]any{"totalQueryableSamples": 42}, "seriesFetched": "2",
		}})
	case "blocked":
		u.block(w, r)
	case "hangs_up":
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
	case "exporter":
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, "# HELP wiki_pages Pages.\n# TYPE wiki_pages gauge\nwiki_pages 3\n")
	case "warned":
		writeJSON(w, http.StatusOK, map[string]any{
			"status": "success", "warnings": []string{"a replica is down"}, "infos": []string{"not a counter"},
			"data": map[string]any{"resultType": resultType, "result": both},
		})
	case "scalar":
		at, _ := strconv.ParseFloat(r.Form.Get("time"), 64)
		writeData(w, map[string]any{"resultType": "scalar", "result": []any{at, "42.5"}})
	case "string":
		at, _ := strconv.ParseFloat(r.Form.Get("time"), 64)
		writeData(w, map[string]any{"resultType": "string", "result": []any{at, "forty-two"}})
	case "histogram":
		histogram := map[string]any{"count": "7", "sum": "9.5", "buckets": []any{
			[]any{0, "0.5", "1", "3"}, []any{1, "1", "2", "4"},
		}}
		start, _ := strconv.ParseFloat(r.Form.Get("start"), 64)
		entry := map[string]any{"metric": map[string]string{"__name__": "latency", "job": "app"}}
		if ranged {
			entry["histograms"] = []any{[]any{start, histogram}}
		} else {
			at, _ := strconv.ParseFloat(r.Form.Get("time"), 64)
			entry["histogram"] = []any{at, histogram}
		}
		writeData(w, map[string]any{"resultType": resultType, "result": []any{entry}})
	case "specials":
		writeData(w, map[string]any{"resultType": resultType, "result": []any{
			series("specials", nil, func(i int) string { return []string{"NaN", "+Inf", "-Inf"}[i%3] }),
		}})
	case "empty":
		writeData(w, map[string]any{"resultType": resultType, "result": []any{}})
	default:
		// Everything else, health probes such as `1+1` included, is two healthy targets.
		writeData(w, map[string]any{"resultType": resultType, "result": both})
	}
}

func writeData(w http.ResponseWriter, data any) {
	writeJSON(w, http.StatusOK, map[string]any{"status": "success", "data": data})
}

func writeError(w http.ResponseWriter, code int, kind, message string) {
	writeJSON(w, code, map[string]any{"status": "error", "errorType": kind, "error": message})
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// A caller that hung up is the only way this fails, and no news.
	_ = json.NewEncoder(w).Encode(body)
}
