package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Kind says how a server is started and how one learns that its samples are on disk.
type Kind struct {
	// Name is what tables call it.
	Name string
	// Program is a command or a path; empty when this machine has none.
	Program string
	// Package is what brings the program, for whoever lacks it.
	Package string
	// Environment is added to the process's own.
	Environment []string

	arguments func(address, dir string) []string
	// ready is a path that answers 200 as soon as queries are answered.
	ready string
	// flush asks for what the server does by itself only after a while.
	flush []string
	// onDisk says whether all samples before a time have left the memory of the server.
	onDisk func(s *Server, before int64) (bool, error)
}

// Headwater is the program under test: HEADWATER_BIN, which the mage targets set.
func Headwater(environment ...string) Kind {
	return Kind{
		Name: "headwater", Program: os.Getenv("HEADWATER_BIN"), Package: "go run mage.go build, and HEADWATER_BIN",
		Environment: environment,
		arguments: func(address, dir string) []string {
			return []string{"serve", "--listen", address, "--data-dir", dir}
		},
		ready:  "/-/ready",
		onDisk: func(s *Server, _ int64) (bool, error) { return onlyBlocks(s.Dir) },
	}
}

// onlyBlocks says whether a folder of Headwater's has blocks, and next to nothing beside them:
// its log and its head are small (src/store/FORMAT.md).
func onlyBlocks(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	blocks, rest := 0, int64(0)
	for _, entry := range entries {
		info, err := entry.Info()
		switch {
		case errors.Is(err, os.ErrNotExist):
			// A file that maintenance just replaced.
			return false, nil
		case err != nil:
			return false, err
		case strings.HasPrefix(entry.Name(), "block-"):
			blocks++
		default:
			rest += info.Size()
		}
	}
	return blocks > 0 && rest < 64<<10, err
}

// Prometheus is Debian's: version 2.42.
func Prometheus() Kind { return prometheus("prometheus", "prometheus") }

// Prometheus3 is a newer one, where HEADWATER_PROMETHEUS3 names its program.
func Prometheus3() Kind { return prometheus("prometheus 3", os.Getenv("HEADWATER_PROMETHEUS3")) }

func prometheus(name, program string) Kind {
	return Kind{
		Name: name, Program: program, Package: "apt-get install -y prometheus",
		arguments: func(address, dir string) []string {
			config := filepath.Join(filepath.Dir(dir), "prometheus.yml")
			// It does not start without a configuration, and needs nothing in it.
			_ = os.WriteFile(config, []byte("global: {scrape_interval: 1m}\n"), 0o600)
			return []string{
				"--config.file=" + config, "--storage.tsdb.path=" + dir, "--web.listen-address=" + address,
				"--web.enable-remote-write-receiver", "--log.level=warn",
			}
		},
		ready: "/-/ready",
		onDisk: func(s *Server, before int64) (bool, error) {
			body, err := s.Get("/metrics")
			if err != nil {
				return false, err
			}
			const name = "\nprometheus_tsdb_head_min_time "
			_, after, found := strings.Cut(string(body), name)
			if !found {
				return false, fmt.Errorf("%s has no %s", s.Name, strings.TrimSpace(name))
			}
			line, _, _ := strings.Cut(after, "\n")
			head, err := strconv.ParseFloat(line, 64)
			return int64(head) >= before, err
		},
	}
}

// VictoriaMetrics keeps no answers here: its cache would be measured instead of it.
func VictoriaMetrics() Kind {
	return Kind{
		Name: "victoria-metrics", Program: "victoria-metrics", Package: "apt-get install -y victoria-metrics",
		arguments: func(address, dir string) []string {
			return []string{
				"-httpListenAddr=" + address, "-storageDataPath=" + dir, "-search.disableCache",
				"-search.latencyOffset=0s", "-retentionPeriod=1y", "-loggerLevel=ERROR",
			}
		},
		ready:  "/health",
		flush:  []string{"/internal/force_flush", "/internal/force_merge"},
		onDisk: func(*Server, int64) (bool, error) { return true, nil },
	}
}

// ErrMissing says that this machine has no such program.
var ErrMissing = errors.New("is not on this machine")

// Find gives the program's path, or an error that is [ErrMissing] and says what brings it.
func (k Kind) Find() (string, error) {
	if k.Program != "" {
		if path, err := exec.LookPath(k.Program); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%s %w (%s)", k.Name, ErrMissing, k.Package)
}

// Server is a running one.
type Server struct {
	Kind
	// URL is where it listens, without a slash at the end.
	URL string
	// Dir is the folder of its samples.
	Dir string
	// Started is how long it took from the start of the process until it was ready.
	Started time.Duration

	cmd    *exec.Cmd
	client *http.Client
	ended  chan struct{}
	output printed
}

// readBytes is how much of an answer is read at once.
const readBytes = 256 << 10

// Output is what the process printed so far, up to a bound.
func (s *Server) Output() string {
	s.output.mu.Lock()
	defer s.output.mu.Unlock()
	return s.output.text.String()
}

// printed keeps what a process prints: it belongs into the error when the process ends early.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text.Len() < 1<<20 {
		p.text.Write(text)
	}
	return len(text), nil
}

// Start begins a server on a free port of the loopback interface. Its samples are in the
// folder `data` of `dir`; starting again with the same folder finds them there.
func Start(kind Kind, dir string) (*Server, error) {
	program, err := kind.Find()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	s := &Server{
		Kind: kind, URL: "http://" + address, Dir: data,
		cmd:    exec.Command(program, kind.arguments(address, data)...),
		client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, ReadBufferSize: readBytes}},
		ended:  make(chan struct{}),
	}
	s.cmd.Env = append(os.Environ(), kind.Environment...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	// Whatever ends the tests, even a signal, ends their servers.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	for time.Since(begun) < 2*time.Minute {
		select {
		case <-s.ended:
			return nil, fmt.Errorf("%s ended instead of listening: %s", s.Name, s.Output())
		default:
		}
		if _, err := s.Get(kind.ready); err == nil {
			s.Started = time.Since(begun)
			return s, nil
		}
		time.Sleep(500 * time.Microsecond)
	}
	s.Stop()
	return nil, fmt.Errorf("%s was not ready after two minutes: %s", s.Name, s.Output())
}

// Stop asks the process to end and waits for it.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// CPU is the time that all threads of the process have run so far, those that ended included.
func (s *Server) CPU() (time.Duration, error) {
	// The clock of another process, by its number (clock_getcpuclockid(3)): nanoseconds, where
	// /proc/PID/stat counts hundredths of a second.
	clock := int32(^s.cmd.Process.Pid)<<3 | 2
	var spent unix.Timespec
	if err := unix.ClockGettime(clock, &spent); err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", s.Name, err)
	}
	return time.Duration(spent.Nano()), nil
}

// Memory is the process's resident set, in bytes: now, and at most so far.
func (s *Server) Memory() (now, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for name, into := range map[string]*int64{"VmRSS:": &now, "VmHWM:": &peak} {
		_, after, _ := strings.Cut(string(status), name)
		fields := strings.Fields(after)
		if len(fields) == 0 {
			return 0, 0, fmt.Errorf("no %s of %s", name, s.Name)
		}
		kibibytes, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		*into = kibibytes << 10
	}
	return now, peak, nil
}

// OnDisk is what the samples take there, in bytes.
func (s *Server) OnDisk() (total int64, err error) {
	err = filepath.WalkDir(s.Dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// Settle waits until every sample before `before` is in the server's files and the process is
// at rest.
func (s *Server) Settle(ctx context.Context, before int64) error {
	for _, path := range s.flush {
		if _, err := s.Get(path); err != nil {
			return err
		}
	}
	for {
		flushed, err := s.onDisk(s, before)
		if err != nil {
			return err
		}
		spent, err := s.CPU()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not come to rest: %w (all before %d on disk: %t)", s.Name, ctx.Err(), before, flushed)
		case <-time.After(time.Second):
		}
		later, err := s.CPU()
		if err != nil {
			return err
		}
		if flushed && later-spent < 20*time.Millisecond {
			return nil
		}
	}
}

// Get reads a path of the server; a status other than 2xx is an error.
func (s *Server) Get(path string) ([]byte, error) {
	response, err := s.client.Get(s.URL + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return body, fmt.Errorf("%s%s: %s: %.300s", s.Name, path, response.Status, body)
	}
	return body, nil
}

func (s *Server) getJSON(path string, into any) error {
	body, err := s.Get(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// Ask sends a query and reads the whole answer without looking into it or keeping it, so that
// the asking takes little of the cores which the server could use. It tells how long the answer
// is; what the server answered when it refused is the error's text.
func (s *Server) Ask(q Query) (bytes int64, err error) {
	response, err := s.client.Get(s.URL + q.path())
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return 0, fmt.Errorf("%s%s: %s: %s", s.Name, q.path(), response.Status, reason)
	}
	// Without the wrapping, the copy would be made in pieces of 8 KiB.
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, make([]byte, readBytes))
}

// Query is a question to the HTTP API; times in milliseconds. A Step of 0 is an instant query
// at End.
type Query struct {
	Expr             string
	Start, End, Step int64
}

func (q Query) path() string {
	seconds := func(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }
	form := url.Values{"query": {q.Expr}, "nocache": {"1"}}
	if q.Step == 0 {
		form.Set("time", seconds(q.End))
		return "/api/v1/query?" + form.Encode()
	}
	form.Set("start", seconds(q.Start))
	form.Set("end", seconds(q.End))
	form.Set("step", seconds(q.Step))
	return "/api/v1/query_range?" + form.Encode()
}
