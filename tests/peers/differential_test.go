package peers

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var scraped = flag.Duration("scrape", 30*time.Second, "how long exporters are scraped before answers are compared")

// start starts a server for a test. A program that is missing fails the test where CI runs.
func start(t *testing.T, kind Kind) *Server {
	t.Helper()
	server, err := Start(kind, t.TempDir())
	if errors.Is(err, ErrMissing) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// realMetrics are those that exporters of this machine expose.
var realMetrics = regexp.MustCompile(`^(node_.*|process_.*|go_.*|prometheus_.*|scrape_.*|up)$`)

// explained are differences between Prometheus 2.42 and 3 that its change log tells of, by which
// of the expressions they can touch. A newer Prometheus gets no such allowance.
var explained = []struct {
	why  string
	expr *regexp.Regexp
}{{
	why: "rate and increase extrapolate a counter that began near zero by half an interval at most " +
		"(changed in 2.52, prometheus/prometheus#13725)",
	expr: regexp.MustCompile(`\b(rate|increase)\s*\(`),
}}

func TestDashboardsAnswerAsPrometheusDoes(t *testing.T) {
	own, err := ownExpressions()
	if err != nil {
		t.Fatal(err)
	}
	dashboards, err := Dashboards()
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("LEFT OUT: ../shared/conformance is not there; only the expressions of testdata are asked")
	} else if err != nil {
		t.Fatal(err)
	}
	expressions := append(own, dashboards...)

	ours := start(t, Headwater())
	app, err := Invent(ours, expressions, realMetrics)
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewServer(app)
	t.Cleanup(page.Close)
	exporter, err := StartNodeExporter(t.Cleanup)
	if errors.Is(err, ErrMissing) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	receivers := []*Server{ours}
	var newer *Server
	if Prometheus3().Program != "" {
		// Whoever names one wants to know that it is not there.
		if newer, err = Start(Prometheus3(), t.TempDir()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(newer.Stop)
		receivers = append(receivers, newer)
	}
	begun := time.Now()
	older := start(t, PrometheusScraping(jobs(exporter, page.Listener.Addr().String(), ours), receivers...))

	time.Sleep(*scraped)
	app.WaitInOrder()
	end := quietMillisecond(t, older, time.Now())
	waitForSamples(t, older, receivers, end)

	compareAll(t, expressions, begun, end, ours, older)
	if newer != nil {
		compareAll(t, expressions, begun, end, ours, newer)
	}
}

// jobs are the targets: exporters of this machine under the names that dashboards give them,
// and the app that stands in for what it has not.
func jobs(exporter, app string, ours *Server) []Job {
	labels := func(more ...[2]string) [][2]string { return append([][2]string{{"cluster", "demo"}}, more...) }
	all := []Job{
		{Name: "node-exporter", Address: exporter, Labels: labels([2]string{"instance", "node-1:9100"}, [2]string{"namespace", "monitoring"}, [2]string{"pod", "node-exporter-a"})},
		{Name: "second-exporter", Address: exporter, Labels: labels([2]string{"instance", "node-2:9100"}, [2]string{"job", "node-exporter"}, [2]string{"namespace", "monitoring"}, [2]string{"pod", "node-exporter-b"})},
		{Name: "prometheus-k8s", Address: "self", Labels: labels([2]string{"namespace", "monitoring"}, [2]string{"pod", "prometheus-k8s-0"}, [2]string{"container", "prometheus"})},
		{Name: "headwater", Address: strings.TrimPrefix(ours.URL, "http://"), Labels: labels([2]string{"namespace", "monitoring"})},
		{Name: "stand-in", Address: app, HonorLabels: true},
	}
	for _, component := range []string{"apiserver", "kubelet", "kube-scheduler", "kube-controller-manager", "kube-proxy", "coredns"} {
		all = append(all, Job{
			Name: component, Address: "self", Keep: "(process|go)_.*",
			Labels: labels([2]string{"instance", "node-1:9100"}, [2]string{"metrics_path", "/metrics"}),
		})
	}
	return all
}

// quietMillisecond is a time at which, give or take whole seconds, nothing was scraped. Windows
// are closed to the left in Prometheus 2 and open in Prometheus 3; there they hold the same.
func quietMillisecond(t *testing.T, source *Server, now time.Time) int64 {
	t.Helper()
	answer, err := source.Evaluate(Query{Expr: "timestamp(up)", End: now.UnixMilli()})
	if err != nil || answer.Empty() {
		t.Fatal("no targets are up", err, answer.Error)
	}
	var taken []int64
	for _, seconds := range answer.Order() {
		taken = append(taken, int64(math.Round(seconds*1000))%1000)
	}
	end := now.UnixMilli() - 2000
	for range 1000 {
		free := !slices.ContainsFunc(taken, func(at int64) bool {
			apart := (end%1000 - at + 1000) % 1000
			return min(apart, 1000-apart) < 10
		})
		// Subqueries stand on whole seconds.
		if free && end%1000 > 10 && end%1000 < 990 {
			return end
		}
		end--
	}
	t.Fatal("something is scraped all the time:", taken)
	return 0
}

// waitForSamples waits until each receiver has all that the source has before `end`.
func waitForSamples(t *testing.T, source *Server, receivers []*Server, end int64) {
	t.Helper()
	all := Query{Expr: fmt.Sprintf(`sum_over_time(count({__name__=~".+"})[%ds:1s])`, int((*scraped + time.Minute).Seconds())), End: end}
	want, err := source.Evaluate(all)
	if err != nil || want.Empty() {
		t.Fatal(err, want.Error)
	}
	for _, receiver := range receivers {
		var difference string
		for range 60 {
			got, err := receiver.Evaluate(all)
			if err != nil {
				t.Fatal(err)
			}
			if difference = got.Difference(want); difference == "" {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
		if difference != "" {
			t.Fatalf("%s does not have the samples of %s: %s\n%s", receiver.Name, source.Name, difference, source.Output())
		}
	}
	t.Logf("%s samples seen, second by second, before the end of the queries", want.Series[0].Points[0].Value)
}

func compareAll(t *testing.T, expressions []string, begun time.Time, end int64, ours, theirs *Server) {
	t.Helper()
	step := max(1, int64(time.Since(begun).Seconds())/30) * 1000
	counts := map[string]int{}
	reasons := map[string]int{}
	answered := map[string]bool{}
	unexplained := 0
	for _, expr := range expressions {
		for _, q := range []Query{
			{Expr: expr, End: end},
			{Expr: expr, Start: end - step*31, End: end, Step: step},
		} {
			here, err := ours.Evaluate(q)
			if err != nil {
				t.Fatal(err)
			}
			there, err := theirs.Evaluate(q)
			if err != nil {
				t.Fatal(err)
			}
			counts["asked"]++
			if difference := differ(expr, q, here, there); difference != "" {
				why := explain(expr)
				if why == "" || theirs.Name != "prometheus" {
					unexplained++
					if unexplained <= 20 {
						t.Errorf("%s (step %d) differs from %s: %s", expr, q.Step, theirs.Name, difference)
					}
				} else {
					counts["explained"]++
					reasons[why]++
				}
				continue
			}
			counts["equal"]++
			switch {
			case here.ErrorType != "":
				counts["of these refused"]++
			case here.Empty():
				counts["of these empty"]++
			default:
				counts["of these with data"]++
				answered[expr] = true
			}
		}
	}
	counts["unexplained"] = unexplained
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s, %s: %d", theirs.Name, what, counts[what])
	}
	for why, count := range reasons {
		t.Logf("%s, explained by %s: %d", theirs.Name, why, count)
	}
	t.Logf("%s: %d of %d expressions have data", theirs.Name, len(answered), len(expressions))
	// The change touches the first seconds of a counter's life, which are a small part of the answers,
	// and ten or so of the expressions that are always asked.
	if counts["explained"] > 20+counts["asked"]/50 {
		t.Errorf("%d of %d answers differ from %s for reasons that hold for few", counts["explained"], counts["asked"], theirs.Name)
	}
	// Comparing nothing with nothing would prove nothing.
	if len(answered)*2 < len(expressions) {
		t.Errorf("only %d of %d expressions have data", len(answered), len(expressions))
	}
}

func explain(expr string) string {
	for _, difference := range explained {
		if difference.expr.MatchString(expr) {
			return difference.why
		}
	}
	return ""
}

var ranks = regexp.MustCompile(`\b(topk|bottomk)\s*\(`)

// differ compares, with what may differ between two runs of the same Prometheus left out: which
// of equal values are among the largest.
func differ(expr string, q Query, here, there Answer) string {
	difference := here.Difference(there)
	if difference == "" && q.Step == 0 && strings.HasPrefix(expr, "sort") {
		if a, b := here.Order(), there.Order(); !slices.EqualFunc(a, b, func(x, y float64) bool {
			return x == y || x != x && y != y || math.Abs(x-y) <= 1e-6*math.Abs(x)
		}) {
			return fmt.Sprintf("order %v, %v", a, b)
		}
	}
	if difference == "" || !ranks.MatchString(expr) || here.ErrorType != "" || there.ErrorType != "" {
		return difference
	}
	byTime := func(answer Answer) map[string][]float64 {
		values := map[string][]float64{}
		for _, series := range answer.Series {
			for _, point := range series.Points {
				value, _ := strconv.ParseFloat(point.Value, 64)
				at := strconv.FormatInt(point.Time, 10)
				values[at] = append(values[at], value)
			}
		}
		for _, all := range values {
			slices.Sort(all)
		}
		return values
	}
	if maps.EqualFunc(byTime(here), byTime(there), func(a, b []float64) bool {
		return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || math.Abs(x-y) <= 1e-6*math.Abs(x) })
	}) {
		return ""
	}
	return difference
}

// ownExpressions are the project's own, one a line.
func ownExpressions() (all []string, err error) {
	file, err := os.Open(filepath.Join("testdata", "expressions.txt"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all, lines.Err()
}
