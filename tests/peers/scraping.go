package peers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Job is a scrape job: whom, and which labels every series of it gets.
type Job struct {
	Name, Address, Path string
	Labels              [][2]string
	// Keep is a pattern of the metrics that stay; all where nothing is said.
	Keep string
	// HonorLabels lets the page's own labels stand.
	HonorLabels bool
}

// PrometheusScraping is Debian's Prometheus with something to do: it scrapes the jobs each
// second and remote-writes what it found to the receivers, so that all have the same samples at
// the same times. An Address of "self" is its own.
func PrometheusScraping(jobs []Job, receivers ...*Server) Kind {
	kind := Prometheus()
	plain := kind.arguments
	kind.arguments = func(address, dir string) []string {
		arguments := plain(address, dir)
		config := filepath.Join(filepath.Dir(dir), "prometheus.yml")
		_ = os.WriteFile(config, []byte(scrapeConfig(address, jobs, receivers)), 0o600)
		return arguments
	}
	return kind
}

func scrapeConfig(self string, jobs []Job, receivers []*Server) string {
	var out strings.Builder
	out.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n")
	for _, job := range jobs {
		address := job.Address
		if address == "self" {
			address = self
		}
		path := job.Path
		if path == "" {
			path = "/metrics"
		}
		fmt.Fprintf(&out, "  - job_name: %q\n    metrics_path: %q\n    honor_labels: %t\n", job.Name, path, job.HonorLabels)
		if job.Keep != "" {
			fmt.Fprintf(&out, "    metric_relabel_configs: [{source_labels: [__name__], regex: %q, action: keep}]\n", job.Keep)
		}
		fmt.Fprintf(&out, "    static_configs:\n      - targets: [%q]\n        labels:\n          scraped: \"true\"\n", address)
		for _, pair := range job.Labels {
			fmt.Fprintf(&out, "          %s: %q\n", pair[0], pair[1])
		}
	}
	out.WriteString("remote_write:\n")
	for _, receiver := range receivers {
		fmt.Fprintf(&out, `  - url: %q
    name: %q
    metadata_config: {send: false}
    queue_config: {capacity: 50000, max_shards: 4, max_samples_per_send: 5000, batch_send_deadline: 500ms}
`, receiver.URL+"/api/v1/write", receiver.Name)
	}
	return out.String()
}

// StartNodeExporter starts Debian's exporter of the machine's figures and gives its address.
func StartNodeExporter(stop func(func())) (address string, err error) {
	path, err := exec.LookPath("prometheus-node-exporter")
	if err != nil {
		return "", fmt.Errorf("prometheus-node-exporter %w (apt-get install -y prometheus-node-exporter)", ErrMissing)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address = listener.Addr().String()
	listener.Close()
	cmd := exec.Command(path, "--web.listen-address="+address, "--log.level=error")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return address, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("prometheus-node-exporter does not listen on %s", address)
}
