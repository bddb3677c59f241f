package peers

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Variables is what a dashboard's variables are filled in with, in the order of replacement.
var variables = [][2]string{
	{"$__rate_interval", "15s"}, {"$__interval", "5s"}, {"$__range", "30s"},
	{"${created_by}", "web"}, {"${namespace}", "default"}, {"${pod}", "web-.*"},
	{"$cluster", "demo"}, {"$namespace", "default"}, {"$instance", "node-1:9100"}, {"$integration", "email"},
	{"$pod", "web-0"}, {"$job", "node-exporter"}, {"$type", "deployment"}, {"$node", "node-1"},
	{"$workload", "web"}, {"$url", "https://api.example"}, {"$service", "web"}, {"$volume", "data-prom-0"},
	{"$protocol", "tcp"},
}

// FillIn replaces a dashboard's variables.
func FillIn(expr string) string {
	for _, variable := range variables {
		expr = strings.ReplaceAll(expr, variable[0], variable[1])
	}
	return expr
}

// Dashboards reads the expressions of real dashboards and rules that lie beside the checkout.
func Dashboards() ([]string, error) {
	encoded, err := os.ReadFile("../../../shared/conformance/queries/dashboards.json")
	if err != nil {
		return nil, err
	}
	var expressions []string
	err = json.Unmarshal(encoded, &expressions)
	for i := range expressions {
		expressions[i] = FillIn(expressions[i])
	}
	return expressions, err
}

// node is what parse_query shows of an expression, as far as selectors and labels go.
type node struct {
	Type, Name string
	Matchers   []struct{ Name, Value, Type string }
	Grouping   []string
	Matching   *struct{ Labels, Include []string }
	Expr, Lhs  *node
	Rhs, Param *node
	Args       []*node
}

func (n *node) walk(visit func(*node)) {
	if n == nil {
		return
	}
	visit(n)
	for _, child := range append([]*node{n.Expr, n.Lhs, n.Rhs, n.Param}, n.Args...) {
		child.walk(visit)
	}
}

// StandIn is an app that exposes whatever expressions ask for and the exporters of this machine
// do not have: a cluster's metrics, invented from the selectors of the expressions, with labels
// by which these join. Its counters begin anew, series of it vanish and come back, and it is out
// of order for a while.
type StandIn struct {
	mu     sync.Mutex
	series []*invented
	begun  time.Time
}

type invented struct {
	metric, labels string
	rate           float64
}

// Invent makes the series that the expressions select; `parser` is asked for their trees.
func Invent(parser *Server, expressions []string, real *regexp.Regexp) (*StandIn, error) {
	var trees []*node
	for _, expr := range expressions {
		var parsed struct{ Data node }
		err := parser.getJSON("/api/v1/parse_query?query="+url.QueryEscape(expr), &parsed)
		if err != nil {
			// What is no PromQL is refused by everyone, which is compared later.
			continue
		}
		trees = append(trees, &parsed.Data)
	}
	seen := map[string]bool{}
	app := &StandIn{begun: time.Now()}
	for _, tree := range trees {
		wanted := map[string]bool{}
		tree.walk(func(n *node) {
			for _, label := range n.Grouping {
				wanted[label] = true
			}
			if n.Matching != nil {
				for _, label := range append(n.Matching.Labels, n.Matching.Include...) {
					wanted[label] = true
				}
			}
		})
		tree.walk(func(n *node) {
			if n.Name == "" || real.MatchString(n.Name) || (n.Type != "vectorSelector" && n.Type != "matrixSelector") {
				return
			}
			labels := map[string]string{}
			for label := range wanted {
				labels[label] = ordinary(label)
			}
			for _, m := range n.Matchers {
				if value, ok := matching(m.Name, m.Type, m.Value); ok {
					labels[m.Name] = value
				}
			}
			delete(labels, "__name__")
			app.invent(seen, n.Name, labels)
		})
	}
	return app, nil
}

// invent adds a few series of a metric: all buckets of a histogram, and two of what is not told
// apart by the selector.
func (a *StandIn) invent(seen map[string]bool, metric string, labels map[string]string) {
	if len(a.series) >= 6000 {
		return
	}
	add := func(labels map[string]string, rate float64) {
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			if labels[name] != "" {
				pairs = append(pairs, fmt.Sprintf("%s=%q", name, labels[name]))
			}
		}
		text := strings.Join(pairs, ",")
		if !seen[metric+text] {
			seen[metric+text] = true
			a.series = append(a.series, &invented{metric, text, rate})
		}
	}
	for variant := range 2 {
		labels := maps.Clone(labels)
		labels["replica"] = fmt.Sprint(variant)
		if variant == 1 {
			delete(labels, "replica")
		}
		if !strings.HasSuffix(metric, "_bucket") {
			add(labels, 1.5+float64(variant)*2.25)
			continue
		}
		for at, le := range []string{"0.1", "1", "5", "30", "+Inf"} {
			labels["le"] = le
			add(labels, 0.4*float64(at+1+variant))
		}
	}
}

// ordinary is the value of a label that an expression does not restrict.
func ordinary(label string) string {
	switch label {
	case "cluster":
		return "demo"
	case "namespace":
		return "default"
	case "pod":
		return "web-0"
	case "node":
		return "node-1"
	case "instance":
		return "node-1:9100"
	case "job":
		return "kube-state-metrics"
	}
	return label + "-a"
}

// matching invents a value that a matcher takes.
func matching(label, operator, pattern string) (string, bool) {
	switch operator {
	case "=":
		return pattern, true
	case "=~":
		whole, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return "", false
		}
		simple := strings.NewReplacer(".+", "a", ".*", "a", "..", "00", `\.`, ".", "(", "", ")", "", "?", "", "^", "", "$", "")
		for _, candidate := range append([]string{ordinary(label)}, strings.Split(pattern, "|")...) {
			for _, value := range []string{candidate, simple.Replace(candidate)} {
				if value != "" && whole.MatchString(value) {
					return value, true
				}
			}
		}
	}
	return "", false
}

// sinceOutOfOrder is how many seconds the page has been there again; negative while it is not,
// which are three seconds of twenty.
func (a *StandIn) sinceOutOfOrder(age float64) float64 {
	if age = math.Mod(age, 20); age > 17 {
		return -1
	}
	return age
}

// WaitInOrder waits until the page has been there for a few scrapes, so that its series have
// samples and no marks of their end.
func (a *StandIn) WaitInOrder() {
	for a.sinceOutOfOrder(time.Since(a.begun).Seconds()) < 5 {
		time.Sleep(100 * time.Millisecond)
	}
}

// ServeHTTP is the app's page of metrics.
func (a *StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	age := time.Since(a.begun).Seconds()
	if a.sinceOutOfOrder(age) < 0 {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	// One after the other, so that a metric's series stand together.
	slices.SortFunc(a.series, func(x, y *invented) int {
		return strings.Compare(x.metric+"{"+x.labels, y.metric+"{"+y.labels)
	})
	for at, s := range a.series {
		// Some come and go.
		if at%17 == 0 && math.Mod(age, 12) > 8 {
			continue
		}
		var value float64
		switch {
		case strings.HasSuffix(s.metric, "_total") || strings.HasSuffix(s.metric, "_count") || strings.HasSuffix(s.metric, "_bucket"):
			// Begins anew every half a minute.
			value = math.Floor(s.rate * math.Mod(age+float64(at%7), 30))
		case strings.HasSuffix(s.metric, "_sum") || strings.HasSuffix(s.metric, "_seconds"):
			value = s.rate * 1.37 * math.Mod(age+float64(at%7), 30)
		default:
			value = s.rate + math.Round(10*math.Sin(age/5+float64(at)))/8
			if at%3 == 0 {
				value = math.Round(value)
			}
		}
		fmt.Fprintf(w, "%s{%s} %v\n", s.metric, s.labels, value)
	}
}

// Len is how many series the app exposes.
func (a *StandIn) Len() int { return len(a.series) }
