package host

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// hostRole names the socket directory when this test binary runs as a host of its own, which
// the test that started it then kills.
const hostRole = "HEADWATER_TEST_HOST"

// beHost starts a plugin as Grafana does, prints its process id and socket, and waits to be
// killed.
func beHost(t *testing.T, socketDir string) {
	p := start(t, launch{socketDir: socketDir})
	fmt.Println(p.cmd.Process.Pid, strings.Join(p.sockets(), " "))
	// A host that nobody kills ends by itself.
	time.Sleep(2 * patience)
}

func TestThePluginEndsWhenItsHostIsKilled(t *testing.T) {
	if socketDir := os.Getenv(hostRole); socketDir != "" {
		beHost(t, socketDir)
		return
	}
	dir := shortTempDir(t)
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), hostRole+"="+dir, "HEADWATER_BIN="+binary(t))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		t.Fatalf("the host did not start: %v", err)
	}
	fields := strings.Fields(line)
	pid, err := strconv.Atoi(fields[0])
	if err != nil || len(fields) != 2 {
		cmd.Process.Kill()
		t.Fatalf("the host says %q, want a process id and a socket", line)
	}
	if gone(pid) {
		t.Fatalf("the plugin %d is not running", pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	eventually(t, "the plugin ends after its host was killed", func() bool { return gone(pid) })
	if _, err := os.Stat(fields[1]); !os.IsNotExist(err) {
		t.Errorf("socket %s was left behind (%v)", fields[1], err)
	}
}

func TestThePluginEndsWhenTheBrokerStreamCloses(t *testing.T) {
	b := startBare(t, bareCommand(t, shortTempDir(t)))
	conn := b.dial()
	closeStream := openBroker(t, conn)
	// A second connection proves that the stream, not the last connection, is what counts.
	b.dial().Connect()
	if _, err := pluginv2.NewDiagnosticsClient(conn).CollectMetrics(t.Context(), &pluginv2.CollectMetricsRequest{}); err != nil {
		t.Fatalf("the plugin does not answer while the stream is open: %v", err)
	}
	closeStream()
	if code := b.ended(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if _, err := os.Stat(b.socket); !os.IsNotExist(err) {
		t.Errorf("socket %s was left behind (%v)", b.socket, err)
	}
}

func TestSigintIsIgnoredAndSigtermStops(t *testing.T) {
	b := startBare(t, bareCommand(t, shortTempDir(t)))
	conn := b.dial()
	for range 3 {
		if err := b.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	// An answer after the signals shows that they were survived, not merely late.
	for range 20 {
		if _, err := pluginv2.NewDiagnosticsClient(conn).CollectMetrics(t.Context(), &pluginv2.CollectMetricsRequest{}); err != nil {
			t.Fatalf("after SIGINT: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := b.ended(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if _, err := os.Stat(b.socket); !os.IsNotExist(err) {
		t.Errorf("socket %s was left behind (%v)", b.socket, err)
	}
}

// The limit is the project's own (issue 3) and the only duration asserted in this module.
// The fastest of several stops is held to it, because a machine with two cores that also
// builds something else delays any single one.
func TestAShutdownIsCleanAndTakesLessThanATenthOfASecond(t *testing.T) {
	fastest := time.Hour
	for range 5 {
		b := startBare(t, bareCommand(t, shortTempDir(t)))
		conn := b.dial()
		openBroker(t, conn)
		if _, err := pluginv2.NewDiagnosticsClient(conn).CollectMetrics(t.Context(), &pluginv2.CollectMetricsRequest{}); err != nil {
			t.Fatal(err)
		}
		asked := time.Now()
		if err := shutdown(t.Context(), conn); err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		code := b.ended()
		fastest = min(fastest, time.Since(asked))
		if code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		if _, err := os.Stat(b.socket); !os.IsNotExist(err) {
			t.Errorf("socket %s was left behind (%v)", b.socket, err)
		}
	}
	t.Logf("fastest of five: %s", fastest)
	if fastest >= 100*time.Millisecond {
		t.Errorf("the fastest shutdown took %s", fastest)
	}
}

func TestAShutdownDoesNotWaitForAQueryThatNeverEnds(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	asked := make(chan error, 1)
	go func() {
		_, err := p.data.QueryData(context.Background(), request(remote(up.URL), query("A", map[string]any{"expr": "blocked"})))
		asked <- err
	}()
	eventually(t, "the query reaches the upstream", func() bool { waiting, _ := up.state(); return waiting == 1 })
	// Kill is what Grafana calls: Shutdown, two seconds of grace, then SIGKILL.
	p.client.Kill()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		t.Errorf("the process had to be killed: %v", p.cmd.ProcessState)
	}
	if err := <-asked; err == nil {
		t.Log("the query was answered while draining")
	}
	if left := p.sockets(); len(left) != 0 {
		t.Errorf("sockets left behind: %v", left)
	}
}

// Grafana watches stdout and stderr for EOF: a child that inherits them keeps a dead plugin
// "running".
func TestThePluginStartsNoChildren(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	p.health(remote(up.URL))
	p.ask(remote(up.URL), query("A", map[string]any{"expr": "up"}))
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("no /proc to read children from: %v", err)
	}
	for _, task := range tasks {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", p.cmd.Process.Pid, task.Name()))
		if err == nil && strings.TrimSpace(string(children)) != "" {
			t.Errorf("children of thread %s: %s", task.Name(), children)
		}
	}
}

func TestDescriptorsDoNotLeak(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL)
	open := func() int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	round := func(n int) {
		for i := range n {
			p.ask(ds, query("A", map[string]any{"expr": "up"}), query("B", map[string]any{"expr": "fails_422"}), query("C", map[string]any{"expr": "hangs_up"}))
			p.call(ds, "GET", "api/v1/labels", nil)
			ctx, cancel := context.WithCancel(t.Context())
			asked := make(chan error, 1)
			go func() {
				_, err := p.data.QueryData(ctx, request(ds, query("A", map[string]any{"expr": "blocked"})))
				asked <- err
			}()
			eventually(t, "the blocked query waits", func() bool { waiting, _ := up.state(); return waiting > 0 })
			cancel()
			if err := <-asked; err == nil {
				t.Fatalf("round %d: a blocked query was answered", i)
			}
			eventually(t, "the blocked query ends", func() bool { waiting, _ := up.state(); return waiting == 0 })
		}
	}
	round(5)
	before := open()
	round(40)
	// The connection pool may hold a few more than before; a leak would hold forty.
	eventually(t, fmt.Sprintf("open descriptors return to about %d", before), func() bool { return open() <= before+8 })
	t.Logf("open descriptors: %d before, %d after 40 rounds", before, open())
}
