package peers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// The figures are no tests: nothing fails for being slow on somebody's machine. What they need
// is said in the tables, beside what was seen.

var (
	scale   = flag.Int("scale", 1, "a part of the figures' data: 1 for all, 10 for a tenth of the series")
	repeats = flag.Int("repeats", 9, "how often each query is asked")
	keep    = flag.String("keep", "", "a folder in which the fed servers stay for the next run")
	only    = flag.String("only", "", "a part of the name of the servers to measure, such as headwater")
)

// theEnd is where the data of the figures ends: the last noon of which all is old enough to be
// on disk. Half of it is of a day that is over, and half of one that is not, so that every
// server has both compacted and fresh blocks.
func theEnd() int64 {
	const day = 24 * hour
	end := time.Now().UnixMilli()/day*day + 12*hour
	if end+4*hour > time.Now().UnixMilli() {
		end -= day
	}
	return end
}

// figure is a query, and how many times less CPU of the process it should take than elsewhere.
type figure struct {
	expr  string
	steps int64
	// Prometheus and VictoriaMetrics; 0 where nothing is asked.
	prometheus, victoria float64
	// over is the time that the query covers; 24 hours where nothing is said.
	over int64
}

var mainFigures = []figure{
	{expr: `sum by (g)(rate(m[5m]))`, steps: 1000, prometheus: 20, victoria: 3},
	{expr: `histogram_quantile(0.95, sum by (le, g)(rate(h_bucket[5m])))`, steps: 1000, prometheus: 20, victoria: 3},
	{expr: `m`, steps: 200, prometheus: 20, victoria: 3},
	{expr: `max_over_time(m[1h])`, steps: 100, prometheus: 20, victoria: 3},
	{expr: `topk(5, rate(m[5m]))`, prometheus: 5},
	{expr: `sum(m)`, prometheus: 5},
	{expr: `sum(rate(m{instance=~"host-..42:9100"}[5m]))`, steps: 1000, prometheus: 10},
	{expr: `max_over_time(rate(m[5m])[1h:1m])`, steps: 24, prometheus: 10},
	{expr: `rate(m[5m]) / on (g) group_left () sum by (g)(rate(m[5m]))`, steps: 100, prometheus: 10},
	{expr: `w`, prometheus: 10},
	{expr: `rate(m{instance="host-0042:9100"}[5m])`, steps: 240, over: hour},
	{expr: `m{instance="host-0042:9100"}`},
}

var gaugeFigures = []figure{
	{expr: `sum by (g)(rate(f[5m]))`, steps: 1000, prometheus: 10, victoria: 1.5},
	{expr: `avg by (g)(f)`, steps: 1000, prometheus: 10, victoria: 1.5},
	{expr: `f`, steps: 200, prometheus: 10, victoria: 1.5},
	{expr: `max_over_time(f[1h])`, steps: 100, prometheus: 10, victoria: 1.5},
}

func (f figure) query(end int64) Query {
	over := f.over
	if over == 0 {
		over = 24 * hour
	}
	// The last step is a whole scrape before the end.
	q := Query{Expr: f.expr, End: end - Interval}
	if f.steps > 0 {
		q.Step = over / f.steps
		q.Start = q.End - q.Step*(f.steps-1)
	}
	return q
}

// cost is what one query took.
type cost struct {
	cpu, wall time.Duration
	bytes     int64
}

// measured is what was seen of one server and data set.
type measured struct {
	name                string
	fed                 Fed
	disk                int64
	started             time.Duration
	first               time.Duration
	rss, rssAfter, peak int64
	costs               []cost
}

func BenchmarkFigures(b *testing.B) {
	kinds := []Kind{Headwater(), Prometheus(), Prometheus3(), VictoriaMetrics()}
	if !hasAVX512() {
		fmt.Println("This machine has no AVX-512: half of each ratio is asked for.")
	}
	end := theEnd()
	sets := []struct {
		name    string
		size    Size
		figures []figure
	}{
		{"main", Anchors, mainFigures},
		{"gauges", FullPrecision, gaugeFigures},
	}
	for b.Loop() {
		for _, set := range sets {
			set.size.Counters /= *scale
			set.size.Histograms /= *scale
			set.size.Gauges /= *scale
			var all []measured
			for _, kind := range kinds {
				if *only != "" && !strings.Contains(kind.Name, *only) {
					continue
				}
				seen, err := measure(b, kind, set.name, Make(set.size, end), set.figures)
				if errors.Is(err, ErrMissing) {
					fmt.Println("LEFT OUT:", err)
					continue
				}
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, seen)
			}
			printFed(set.name, all)
			printCosts(set.figures, all)
		}
	}
}

// measure feeds a server, brings what it has to disk, starts it anew and asks.
func measure(b *testing.B, kind Kind, name string, set *DataSet, figures []figure) (seen measured, err error) {
	seen.name = kind.Name
	dir, err := fedFolder(b, kind, name, set, &seen.fed)
	if err != nil {
		return seen, err
	}
	server, err := Start(kind, dir)
	if err != nil {
		return seen, err
	}
	defer server.Stop()
	begun := time.Now()
	if _, err := server.Ask(Query{Expr: "count(up)", End: set.End}); err != nil {
		return seen, err
	}
	seen.started, seen.first = server.Started, server.Started+time.Since(begun)
	seen.rss, _, err = server.Memory()
	if err != nil {
		return seen, err
	}
	settle, cancel := context.WithTimeout(b.Context(), 3*time.Minute)
	defer cancel()
	if err := server.Settle(settle, set.End); err != nil {
		return seen, err
	}
	if seen.disk, err = server.OnDisk(); err != nil {
		return seen, err
	}
	for _, figure := range figures {
		spent, err := ask(server, figure.query(set.End))
		if err != nil {
			return seen, fmt.Errorf("%s: %w", figure.expr, err)
		}
		seen.costs = append(seen.costs, spent)
	}
	if name == "main" && strings.HasPrefix(kind.Name, "headwater") {
		if err := printGrowth(server, set.End); err != nil {
			return seen, err
		}
		if err := printFairness(server, set.End); err != nil {
			return seen, err
		}
	}
	seen.rssAfter, seen.peak, err = server.Memory()
	return seen, err
}

// fedFolder is a folder in which a server of this kind has the whole set on disk.
func fedFolder(b *testing.B, kind Kind, name string, set *DataSet, fed *Fed) (string, error) {
	dir := filepath.Join(b.TempDir(), kind.Name)
	if *keep != "" {
		dir = filepath.Join(*keep, fmt.Sprintf("%s-%s-%d-%d", strings.ReplaceAll(kind.Name, " ", ""), name, set.End, len(set.Series)))
	}
	done := filepath.Join(dir, "fed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	server, err := Start(kind, dir)
	if err != nil {
		return "", err
	}
	defer server.Stop()
	if *fed, err = Feed(server, set); err != nil {
		return "", err
	}
	// Some more series, with a few samples each, for what takes many of them.
	wide := Make(Size{Gauges: 10_000 / *scale, Targets: 100, Duration: 5 * minute}, set.End)
	for i := range wide.Series {
		wide.Series[i].Labels[0][1] = "w"
	}
	if _, err = Feed(server, wide); err != nil {
		return "", err
	}
	// Blocks are written once time has gone on; this says that it has.
	marker := [][2]string{{"__name__", "later"}}
	if err := server.Write(marker, Sample{Time: set.End + 3*hour + minute, Value: 1}); err != nil {
		return "", err
	}
	settle, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	if err := server.Settle(settle, set.End); err != nil {
		return "", err
	}
	server.Stop()
	return dir, os.WriteFile(done, nil, 0o600)
}

// ask gives the median cost of a query, after two rounds that fill caches.
func ask(server *Server, q Query) (median cost, err error) {
	var costs []cost
	// Work that goes on after an answer, such as a collection of garbage, is a query's too, so
	// short ones are counted by the batch.
	batch := 1
	for round := range *repeats + 2 {
		before, err := server.CPU()
		if err != nil {
			return median, err
		}
		begun := time.Now()
		var size int64
		for range batch {
			if size, err = server.Ask(q); err != nil {
				return median, err
			}
		}
		wall := time.Since(begun) / time.Duration(batch)
		after, err := server.CPU()
		if err != nil {
			return median, err
		}
		if round < 2 {
			batch = max(1, int(50*time.Millisecond/max(wall, time.Millisecond/20)))
			continue
		}
		costs = append(costs, cost{(after - before) / time.Duration(batch), wall, size})
	}
	middle := func(of func(cost) time.Duration) time.Duration {
		slices.SortFunc(costs, func(a, b cost) int { return int(of(a) - of(b)) })
		return of(costs[len(costs)/2])
	}
	return cost{
		cpu:   middle(func(c cost) time.Duration { return c.cpu }),
		wall:  middle(func(c cost) time.Duration { return c.wall }),
		bytes: costs[0].bytes,
	}, nil
}

// table prints rows of cells, as Markdown that is also good to read in a terminal.
func table(title string, rows [][]string) {
	fmt.Printf("\n%s\n\n", title)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	for i, row := range rows {
		fmt.Fprintf(out, "| %s\t|\n", strings.Join(row, "\t| "))
		if i == 0 {
			fmt.Fprintf(out, "|%s\n", strings.Repeat("---\t|", len(row)))
		}
	}
	out.Flush()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/1e6) }

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

func printFed(set string, all []measured) {
	rows := [][]string{{
		"server", "samples in", "CPU s", "samples per CPU s", "wall s", "MiB on disk",
		"ready after ms", "first answer ms", "RSS then MiB", "RSS after queries", "peak",
	}}
	for _, seen := range all {
		in, cpu, rate, wall := "kept", "", "", ""
		if seen.fed.Samples > 0 {
			in, cpu = Millions(seen.fed.Samples), fmt.Sprintf("%.1f", seen.fed.CPU.Seconds())
			rate = Millions(int(float64(seen.fed.Samples) / seen.fed.CPU.Seconds()))
			wall = fmt.Sprintf("%.1f", seen.fed.Wall.Seconds())
		}
		rows = append(rows, []string{
			seen.name, in, cpu, rate, wall, mebibytes(seen.disk), ms(seen.started), ms(seen.first),
			mebibytes(seen.rss), mebibytes(seen.rssAfter), mebibytes(seen.peak),
		})
	}
	table("Data set "+set, rows)
}

func printCosts(figures []figure, all []measured) {
	if len(all) == 0 {
		return
	}
	head := []string{"query", "steps", "kB"}
	for _, seen := range all {
		head = append(head, seen.name)
	}
	head = append(head, "wall", "wall / CPU")
	for _, seen := range all[1:] {
		head = append(head, "× "+seen.name, "asked")
	}
	rows := [][]string{head}
	part := 1.0
	if !hasAVX512() {
		part = 0.5
	}
	for i, figure := range figures {
		ours := all[0].costs[i]
		row := []string{"`" + figure.expr + "`", fmt.Sprint(figure.steps), fmt.Sprint(ours.bytes / 1000)}
		for _, seen := range all {
			row = append(row, ms(seen.costs[i].cpu))
		}
		row = append(row, ms(ours.wall), fmt.Sprintf("%.2f", float64(ours.wall)/float64(ours.cpu)))
		for _, seen := range all[1:] {
			ratio, asked := float64(seen.costs[i].cpu)/float64(ours.cpu), 0.0
			switch {
			case seen.name == "prometheus":
				asked = figure.prometheus * part
			case seen.name == "victoria-metrics":
				asked = figure.victoria * part
			}
			row = append(row, fmt.Sprintf("%.1f", ratio))
			switch {
			case asked == 0:
				row = append(row, "")
			case ratio >= asked:
				row = append(row, fmt.Sprintf("%.1f: reached", asked))
			default:
				row = append(row, fmt.Sprintf("%.1f: MISSED", asked))
			}
		}
		rows = append(rows, row)
	}
	table("CPU ms of the server's process per query, median", rows)
}

// printGrowth shows that cost grows no faster than samples, series and steps.
func printGrowth(server *Server, end int64) error {
	rows := [][]string{{"what grows", "1×", "4×", "16×", "CPU ms", "", "", "4× / 1×", "16× / 4×"}}
	const expr = `sum by (g)(rate(m[5m]))`
	for _, growth := range []struct {
		what    string
		named   [3]string
		figures [3]figure
	}{
		{"samples, by time; 360 steps", [3]string{"90 min", "6 h", "24 h"}, [3]figure{
			{expr: expr, steps: 360, over: 90 * minute}, {expr: expr, steps: 360, over: 6 * hour}, {expr: expr, steps: 360},
		}},
		{"samples, by series; 1,000 steps", [3]string{"1 group", "4 groups", "16 groups"}, [3]figure{
			{expr: `sum(rate(m{g="group-00"}[5m]))`, steps: 1000},
			{expr: `sum(rate(m{g=~"group-0[0-3]"}[5m]))`, steps: 1000},
			{expr: `sum(rate(m{g=~"group-0.|group-1[0-5]"}[5m]))`, steps: 1000},
		}},
		{"steps; 24 h", [3]string{"500", "2,000", "8,000"}, [3]figure{
			{expr: expr, steps: 500}, {expr: expr, steps: 2000}, {expr: expr, steps: 8000},
		}},
	} {
		row := append([]string{growth.what}, growth.named[:]...)
		var spent [3]time.Duration
		for i, figure := range growth.figures {
			median, err := ask(server, figure.query(end))
			if err != nil {
				return err
			}
			spent[i] = median.cpu
			row = append(row, ms(median.cpu))
		}
		rows = append(rows, append(row,
			fmt.Sprintf("%.1f", float64(spent[1])/float64(spent[0])), fmt.Sprintf("%.1f", float64(spent[2])/float64(spent[1]))))
	}
	table("Growth, "+server.Name, rows)
	return nil
}

// printFairness asks for one series, first alone and then beside two large queries that never end.
func printFairness(server *Server, end int64) error {
	small := figure{expr: `rate(m{instance="host-0042:9100"}[5m])`, steps: 240, over: hour}.query(end)
	large := figure{expr: `max_over_time(m[1h])`, steps: 1000}.query(end)
	waits := func() (median, worst time.Duration, err error) {
		var all []time.Duration
		for begun := time.Now(); time.Since(begun) < 3*time.Second; {
			asked := time.Now()
			if _, err := server.Ask(small); err != nil {
				return 0, 0, err
			}
			all = append(all, time.Since(asked))
			time.Sleep(5 * time.Millisecond)
		}
		slices.Sort(all)
		return all[len(all)/2], all[len(all)-1], nil
	}
	rows := [][]string{{"a query of one series", "median ms", "worst ms"}}
	for _, beside := range []int{0, 2, 8} {
		stop := make(chan struct{})
		ended := make(chan error, beside)
		for range beside {
			go func() {
				for {
					select {
					case <-stop:
						ended <- nil
						return
					default:
					}
					if _, err := server.Ask(large); err != nil {
						ended <- err
						return
					}
				}
			}()
		}
		median, worst, err := waits()
		close(stop)
		for range beside {
			err = errors.Join(err, <-ended)
		}
		if err != nil {
			return err
		}
		rows = append(rows, []string{fmt.Sprintf("beside %d large ones", beside), ms(median), ms(worst)})
	}
	table("Fairness, "+server.Name, rows)
	return nil
}

func hasAVX512() bool {
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && strings.Contains(string(cpuinfo), "avx512_vbmi")
}
