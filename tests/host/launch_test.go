package host

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

var handshakeLine = regexp.MustCompile(`^1\|2\|unix\|(/[^|]+)\|grpc\n$`)

// bare is a plugin process without go-plugin around it, for what go-plugin hides: the raw
// handshake, the rest of stdout, signals, single connections.
type bare struct {
	tb     testing.TB
	cmd    *exec.Cmd
	stdout *bufio.Reader
	logs   *stderrLines
	socket string
	exit   chan error
}

// bareCommand is the plugin's command line and environment, not yet started.
func bareCommand(tb testing.TB, socketDir string, env ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.Command(binary(tb))
	cmd.Dir = shortTempDir(tb)
	cmd.Env = append(grafanaEnvironment(),
		cookieName+"="+cookieValue, "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000",
		"PLUGIN_PROTOCOL_VERSIONS=2")
	if socketDir != "" {
		cmd.Env = append(cmd.Env, "PLUGIN_UNIX_SOCKET_DIR="+socketDir)
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// startBare starts the command and reads its handshake line.
func startBare(tb testing.TB, cmd *exec.Cmd) *bare {
	tb.Helper()
	b := &bare{tb: tb, cmd: cmd, logs: &stderrLines{}, exit: make(chan error, 1)}
	out, in, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, b.logs
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	in.Close()
	tb.Cleanup(func() {
		cmd.Process.Kill()
		out.Close()
	})
	b.stdout = bufio.NewReader(out)
	if err := out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	line, err := b.stdout.ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		tb.Fatalf("no handshake line: %v, got %q\n%s", err, line, b.logs.text())
	}
	parts := handshakeLine.FindStringSubmatch(line)
	if parts == nil {
		tb.Fatalf("handshake line %q does not match %s", line, handshakeLine)
	}
	b.socket = parts[1]
	go func() { b.exit <- cmd.Wait() }()
	return b
}

// ended waits for the exit and returns the exit code, or -1 after a signal.
func (b *bare) ended() int {
	b.tb.Helper()
	select {
	case <-b.exit:
		return b.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		b.tb.Fatalf("process %d did not end within %s\n%s", b.cmd.Process.Pid, patience, b.logs.text())
		return 0
	}
}

// dial opens one more connection to the plugin's socket.
func (b *bare) dial() *grpc.ClientConn {
	b.tb.Helper()
	return dialSocket(b.tb, b.socket)
}

func dialSocket(tb testing.TB, socket string) *grpc.ClientConn {
	tb.Helper()
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// openBroker opens the stream whose end tells the plugin that its host has died.
func openBroker(tb testing.TB, conn *grpc.ClientConn) (closeStream func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	_, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		"/plugin.GRPCBroker/StartStream")
	if err != nil {
		tb.Fatal(err)
	}
	return cancel
}

func shutdown(ctx context.Context, conn *grpc.ClientConn) error {
	return conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
}

func TestTheHandshakeLineIsAllThatStdoutEverHolds(t *testing.T) {
	began := time.Now()
	b := startBare(t, bareCommand(t, shortTempDir(t)))
	t.Logf("handshake after %s", time.Since(began))
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.ended()
	rest, err := io.ReadAll(b.stdout)
	if err != nil {
		t.Fatal(err)
	}
	if len(rest) != 0 {
		t.Errorf("stdout holds more than the handshake: %q", rest)
	}
}

func TestTheSocketBelongsToItsOwnerAlone(t *testing.T) {
	dir := shortTempDir(t)
	b := startBare(t, bareCommand(t, dir))
	if got := filepath.Dir(b.socket); got != dir {
		t.Errorf("the socket stands in %s, want PLUGIN_UNIX_SOCKET_DIR %s", got, dir)
	}
	info, err := os.Stat(b.socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&os.ModeSocket == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of %s is %v, want a socket with 0600", b.socket, info.Mode())
	}
}

func TestWithoutASocketDirectoryTheSocketStandsInTheTempDirectory(t *testing.T) {
	b := startBare(t, bareCommand(t, ""))
	// The process sees no TMPDIR, so its temp directory is /tmp whatever ours is.
	if got := filepath.Dir(b.socket); got != "/tmp" {
		t.Errorf("the socket stands in %s, want /tmp", got)
	}
	if err := shutdown(t.Context(), b.dial()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	b.ended()
	if _, err := os.Stat(b.socket); !os.IsNotExist(err) {
		t.Errorf("%s is still there after a clean stop (%v)", b.socket, err)
	}
}

func TestNothingIsWrittenToGrafanasHome(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	p.health(remote(up.URL))
	p.client.Kill()
	entries, err := os.ReadDir(p.workDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("the plugin left %s in its working directory", entry.Name())
	}
}

// outcome is what a process that should end by itself left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

func (o outcome) all() string { return o.stdout + o.stderr }

// runToEnd runs the command with an empty stdin; a process that waits instead fails the test.
func runToEnd(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		cmd.Process.Kill()
		<-ended
		t.Fatalf("the process did not end by itself\nstdout: %s\nstderr: %s", stdout.String(), stderr.String())
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestAPersonWhoStartsThePluginIsToldWhatItIs(t *testing.T) {
	for name, env := range map[string][]string{
		"no cookie":    {"PATH=" + os.Getenv("PATH")},
		"wrong cookie": {cookieName + "=panel"},
		"empty cookie": {cookieName + "="},
		"no variables": {},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary(t))
			cmd.Dir, cmd.Env = shortTempDir(t), env
			if len(env) == 0 {
				// A nil Env would mean ours.
				cmd.Env = []string{}
			}
			got := runToEnd(t, cmd)
			if got.code != 0 && got.code != 2 {
				t.Errorf("exit code %d, want 0 or 2", got.code)
			}
			if handshakeLine.MatchString(got.stdout) || strings.Contains(got.stdout, "|grpc") {
				t.Errorf("a handshake was printed: %q", got.stdout)
			}
			for _, word := range []string{"Grafana", "gpx_headwater"} {
				if !strings.Contains(got.all(), word) {
					t.Errorf("the words for a person do not contain %q:\n%s", word, got.all())
				}
			}
			if strings.Contains(got.all(), `"@level"`) {
				t.Errorf("a person is spoken to in JSON:\n%s", got.all())
			}
		})
	}
}

func TestMutualTLSIsRefusedInWords(t *testing.T) {
	dir := shortTempDir(t)
	got := runToEnd(t, bareCommand(t, dir, "PLUGIN_CLIENT_CERT=-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"))
	if got.code == 0 {
		t.Error("exit code 0 for a refusal")
	}
	if strings.Contains(got.stdout, "|grpc") {
		t.Errorf("a handshake was printed: %q", got.stdout)
	}
	if !strings.Contains(got.stderr, "PLUGIN_CLIENT_CERT") {
		t.Errorf("the refusal does not name PLUGIN_CLIENT_CERT:\n%s", got.stderr)
	}
	if left := socketsIn(t, dir); len(left) != 0 {
		t.Errorf("sockets left behind: %v", left)
	}
}

func TestAnUnusableSocketDirectoryIsNamed(t *testing.T) {
	file := filepath.Join(shortTempDir(t), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(shortTempDir(t), strings.Repeat("long-", 24))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		// Root may write anywhere but here, so that this also fails for root.
		"unwritable":        "/proc/sys",
		"missing":           "/nonexistent/headwater",
		"a file":            file,
		"longer than a sun": long,
	} {
		t.Run(name, func(t *testing.T) {
			got := runToEnd(t, bareCommand(t, dir))
			if got.code == 0 {
				t.Error("exit code 0 for a plugin that cannot serve")
			}
			if !strings.Contains(got.stderr, dir) {
				t.Errorf("the message does not name %s:\n%s", dir, got.stderr)
			}
			if strings.Contains(got.stdout, "|grpc") {
				t.Errorf("a handshake was printed: %q", got.stdout)
			}
		})
	}
}

// socketName learns how the plugin names its socket: what stands before and after the
// process id.
func socketName(t *testing.T) (before, after string) {
	t.Helper()
	b := startBare(t, bareCommand(t, shortTempDir(t)))
	name := filepath.Base(b.socket)
	before, after, found := strings.Cut(name, strconv.Itoa(b.cmd.Process.Pid))
	if !found {
		t.Fatalf("socket name %q does not hold the process id: it must, or stale sockets cannot be told from live ones", name)
	}
	return before, after
}

// A process id comes round again: what stands at the path then may be a dead process's
// socket, someone's directory, or a socket that someone still listens on.
func TestATakenSocketPathDoesNotStopThePlugin(t *testing.T) {
	before, after := socketName(t)
	for name, obstacle := range map[string]string{
		"a file":      `: > "$path"`,
		"a directory": `mkdir "$path"`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortTempDir(t)
			cmd := bareCommand(t, dir)
			// The shell has the process id that the plugin will have, and takes its path.
			script := `path="$DIR/$BEFORE$$$AFTER"; ` + obstacle + `; exec "$BINARY"`
			cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", script}
			cmd.Env = append(cmd.Env, "PATH=/usr/bin:/bin", "DIR="+dir, "BEFORE="+before, "AFTER="+after, "BINARY="+binary(t))
			b := startBare(t, cmd)
			taken := filepath.Join(dir, before+strconv.Itoa(b.cmd.Process.Pid)+after)
			if info, err := os.Stat(taken); err != nil || b.socket == taken && info.Mode()&os.ModeSocket == 0 {
				t.Errorf("the socket %s cannot be what stands at %s (%v)", b.socket, taken, err)
			}
			if err := shutdown(t.Context(), b.dial()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if code := b.ended(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestStaleSocketsOfDeadProcessesAreSwept(t *testing.T) {
	dir := shortTempDir(t)
	dead := startBare(t, bareCommand(t, dir))
	alive := startBare(t, bareCommand(t, dir))
	foreign, err := net.Listen("unix", filepath.Join(dir, "foreign.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if err := dead.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead.ended()
	if _, err := os.Stat(dead.socket); err != nil {
		t.Fatalf("a killed process cannot have removed its socket: %v", err)
	}

	fresh := startBare(t, bareCommand(t, dir))
	eventually(t, "the dead process's socket is swept", func() bool {
		_, err := os.Stat(dead.socket)
		return os.IsNotExist(err)
	})
	for _, kept := range []string{alive.socket, fresh.socket, foreign.Addr().String()} {
		if _, err := os.Stat(kept); err != nil {
			t.Errorf("%s was swept although it is in use: %v", kept, err)
		}
	}
}
