// Package host is Grafana's side of the plugin process, as a test: it starts the built
// binary the way Grafana 12.4 does (hashicorp/go-plugin, the client set of Grafana's
// grpcplugin, its nearly empty environment) and checks what Grafana relies on.
//
// Only public doors are used: the environment, stdin and stdout, the Unix socket, signals.
// The binary is $HEADWATER_BIN, else the newest of target/release and target/debug. Tests of
// what a panic does need a debug build: $HEADWATER_DEBUG_BIN, else target/debug.
package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

const (
	// The cookie and the protocol have been the same from Grafana 7 to 13.
	cookieName  = "grafana_plugin_type"
	cookieValue = "datasource"
	protocol    = 2

	pluginID = "headwater-metrics-datasource"

	// patience bounds every wait for something that must happen. It is no measurement:
	// a loaded machine with two cores stays far below it.
	patience = 20 * time.Second
)

// binary is the path of the plugin under test.
func binary(tb testing.TB) string {
	tb.Helper()
	if path, named := namedBinary(tb, "HEADWATER_BIN"); named {
		return path
	}
	var newest string
	var modified time.Time
	for _, profile := range []string{"release", "debug"} {
		path := built(tb, profile)
		if info, err := os.Stat(path); err == nil && info.ModTime().After(modified) {
			newest, modified = path, info.ModTime()
		}
	}
	if newest == "" {
		tb.Fatal("no gpx_headwater in target/release or target/debug. Build it with `cargo build --release`, or name one in HEADWATER_BIN.")
	}
	return newest
}

// debugBinary is the path of a debug build: only those make mistakes when asked to.
func debugBinary(tb testing.TB) string {
	tb.Helper()
	if path, named := namedBinary(tb, "HEADWATER_DEBUG_BIN"); named {
		return path
	}
	path := built(tb, "debug")
	if _, err := os.Stat(path); err != nil {
		tb.Fatal("no target/debug/gpx_headwater. Build it with `cargo build`, or name one in HEADWATER_DEBUG_BIN.")
	}
	return path
}

func namedBinary(tb testing.TB, variable string) (path string, named bool) {
	tb.Helper()
	path = os.Getenv(variable)
	if path == "" {
		return "", false
	}
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("%s names no file: %v. Build it with `cargo build`.", variable, err)
	}
	return absolute(tb, path), true
}

func built(tb testing.TB, profile string) string {
	tb.Helper()
	return absolute(tb, filepath.Join("..", "..", "target", profile, "gpx_headwater"))
}

func absolute(tb testing.TB, path string) string {
	tb.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// grafanaEnvironment is all that a plugin sees of Grafana's own environment.
func grafanaEnvironment() []string {
	return []string{
		"GF_VERSION=12.4.0",
		"GF_EDITION=OSS",
		"GF_INSTANCE_USER_AGENT=Grafana/12.4.0",
		"GF_INSTANCE_CONCURRENT_QUERY_LIMIT=10",
		"GFAZPL_MANAGED_IDENTITY_ENABLED=false",
	}
}

// door is one service of the client set that Grafana dispenses after the handshake.
type door struct {
	goplugin.NetRPCUnsupportedPlugin
	client func(grpc.ClientConnInterface) any
}

var _ goplugin.GRPCPlugin = door{}

func (door) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the host serves nothing")
}

func (d door) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return d.client(conn), nil
}

// clientSet names the services as Grafana's backendplugin/grpcplugin does.
func clientSet() map[int]goplugin.PluginSet {
	return map[int]goplugin.PluginSet{protocol: {
		"diagnostics": door{client: func(c grpc.ClientConnInterface) any { return pluginv2.NewDiagnosticsClient(c) }},
		"resource":    door{client: func(c grpc.ClientConnInterface) any { return pluginv2.NewResourceClient(c) }},
		"data":        door{client: func(c grpc.ClientConnInterface) any { return pluginv2.NewDataClient(c) }},
		"stream":      door{client: func(c grpc.ClientConnInterface) any { return pluginv2.NewStreamClient(c) }},
		"admission":   door{client: func(c grpc.ClientConnInterface) any { return pluginv2.NewAdmissionControlClient(c) }},
		"conversion":  door{client: func(c grpc.ClientConnInterface) any { return pluginv2.NewResourceConversionClient(c) }},
	}}
}

// launch is how a test wants its plugin started; the zero value is Grafana's way, with a
// socket directory and a working directory of the test's own.
type launch struct {
	socketDir string
	env       []string
	// path is another plugin than ours.
	path string
	// faults starts a debug build that panics when it is asked for the resource `test/panic`
	// or the query `headwater_test_panic()`.
	faults bool
}

// plugin is a running plugin process with the doors that Grafana holds.
type plugin struct {
	tb        testing.TB
	cmd       *exec.Cmd
	client    *goplugin.Client
	wire      *grpc.ClientConn
	socketDir string
	workDir   string
	// ready is the time from exec to the answered health check.
	ready time.Duration
	logs  *stderrLines
	// heard are the log records as go-plugin hands them to Grafana.
	heard *hostRecords

	diagnostics pluginv2.DiagnosticsClient
	resource    pluginv2.ResourceClient
	data        pluginv2.DataClient
	stream      pluginv2.StreamClient
}

// start launches the binary as Grafana does and stops it with the test.
func start(tb testing.TB, how launch) *plugin {
	tb.Helper()
	p, err := tryStart(tb, how)
	if err != nil {
		tb.Fatalf("the plugin did not start: %v\n%s", err, p.logs.text())
	}
	return p
}

func tryStart(tb testing.TB, how launch) (*plugin, error) {
	tb.Helper()
	p := &plugin{
		tb:        tb,
		socketDir: how.socketDir,
		workDir:   shortTempDir(tb),
		logs:      &stderrLines{},
		heard:     &hostRecords{},
	}
	if p.socketDir == "" {
		p.socketDir = shortTempDir(tb)
	}
	path := how.path
	if path == "" {
		path = binary(tb)
	}
	p.cmd = exec.Command(path)
	p.cmd.Env = append(grafanaEnvironment(), "PLUGIN_UNIX_SOCKET_DIR="+p.socketDir)
	if how.faults {
		environment := append(p.cmd.Env, "GF_PLUGIN_TEST_FAULTS=1")
		p.cmd = exec.Command(debugBinary(tb))
		p.cmd.Env = environment
	}
	p.cmd.Dir = p.workDir
	p.cmd.Env = append(p.cmd.Env, how.env...)

	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Trace, Output: discard{}})
	logger.RegisterSink(p.heard)
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  protocol,
			MagicCookieKey:   cookieName,
			MagicCookieValue: cookieValue,
		},
		VersionedPlugins: clientSet(),
		Cmd:              p.cmd,
		SkipHostEnv:      true,
		Logger:           logger,
		Stderr:           p.logs,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<31-1), grpc.MaxCallSendMsgSize(1<<31-1)),
		},
	})
	tb.Cleanup(p.client.Kill)

	began := time.Now()
	connected, err := p.client.Client()
	if err != nil {
		return p, err
	}
	if err := connected.Ping(); err != nil {
		return p, fmt.Errorf("health service %q: %w", goplugin.GRPCServiceName, err)
	}
	p.ready = time.Since(began)
	if got := p.client.NegotiatedVersion(); got != protocol {
		return p, fmt.Errorf("negotiated protocol %d, want %d", got, protocol)
	}
	p.wire = connected.(*goplugin.GRPCClient).Conn
	for name, take := range map[string]func(any){
		"diagnostics": func(raw any) { p.diagnostics = raw.(pluginv2.DiagnosticsClient) },
		"resource":    func(raw any) { p.resource = raw.(pluginv2.ResourceClient) },
		"data":        func(raw any) { p.data = raw.(pluginv2.DataClient) },
		"stream":      func(raw any) { p.stream = raw.(pluginv2.StreamClient) },
		"admission":   func(any) {},
		"conversion":  func(any) {},
	} {
		raw, err := connected.Dispense(name)
		if err != nil {
			return p, fmt.Errorf("dispense %s: %w", name, err)
		}
		take(raw)
	}
	return p, nil
}

// in is the same plugin for a subtest, which then is what fails.
func (p *plugin) in(tb testing.TB) *plugin {
	sub := *p
	sub.tb = tb
	return &sub
}

// lives fails the test unless the process still answers.
func (p *plugin) lives() {
	p.tb.Helper()
	if p.client.Exited() {
		p.tb.Fatalf("the process has exited:\n%s", p.logs.text())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := p.diagnostics.CollectMetrics(ctx, &pluginv2.CollectMetricsRequest{
		PluginContext: &pluginv2.PluginContext{PluginId: pluginID},
	}); err != nil {
		p.tb.Fatalf("the process no longer answers: %v\n%s", err, p.logs.text())
	}
}

// sockets are the socket files in the plugin's directory.
func (p *plugin) sockets() []string {
	p.tb.Helper()
	return socketsIn(p.tb, p.socketDir)
}

func socketsIn(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		if entry.Type()&os.ModeSocket != 0 {
			found = append(found, filepath.Join(dir, entry.Name()))
		}
	}
	return found
}

// shortTempDir is a directory whose name leaves room for a socket path (107 bytes).
func shortTempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "hw")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// eventually waits until `holds` is true; a wait without end fails the test.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %s in vain: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// gone tells whether a process has ended; one that nobody has waited for yet counts as ended.
func gone(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return true
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// The state follows the command, which stands in parentheses and may hold any character.
	_, after, _ := strings.Cut(string(status), ") ")
	return strings.HasPrefix(after, "Z")
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// stderrLines collects what the process writes to stderr.
type stderrLines struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

func (l *stderrLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw.Write(b)
}

func (l *stderrLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw.String()
}

func (l *stderrLines) lines() []string {
	text := strings.TrimSuffix(l.text(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// hostRecord is one log line as Grafana sees it after go-plugin has read it.
type hostRecord struct {
	level   hclog.Level
	message string
	fields  map[string]string
}

type hostRecords struct {
	mu      sync.Mutex
	records []hostRecord
}

func (r *hostRecords) Accept(_ string, level hclog.Level, message string, args ...any) {
	fields := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		fields[fmt.Sprint(args[i])] = fmt.Sprint(args[i+1])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, hostRecord{level, message, fields})
}

func (r *hostRecords) all() []hostRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]hostRecord(nil), r.records...)
}

// dataSource is an instance as Grafana hands it over with every call.
type dataSource struct {
	org     int64
	uid     string
	updated int64
	url     string
	// basicAuthUser switches basic authentication on where it is there.
	basicAuthUser string
	// json is jsonData; rawJSON takes its place where a test needs bytes that are no object.
	json    map[string]any
	rawJSON []byte
	secrets map[string]string
}

// newest numbers the data sources of all tests.
var newest atomic.Int64

// remote is a data source of its own that asks the server at `url`.
func remote(url string) dataSource {
	return dataSource{
		org: 1, uid: fmt.Sprintf("remote-%d", newest.Add(1)), updated: 1_700_000_000_000,
		url: url, json: map[string]any{"engine": "remote"},
	}
}

// with is another data source with the same settings but one.
func (d dataSource) with(key string, value any) dataSource {
	d.uid = fmt.Sprintf("%s-%d", d.uid, newest.Add(1))
	changed := map[string]any{key: value}
	for k, v := range d.json {
		if k != key {
			changed[k] = v
		}
	}
	d.json = changed
	return d
}

// number is the id that Grafana's database gives an instance; nothing may rest on it.
func (d dataSource) number() int64 {
	hash := fnv.New32a()
	fmt.Fprint(hash, d.org, d.uid)
	return int64(hash.Sum32())
}

func (d dataSource) context() *pluginv2.PluginContext {
	encoded := d.rawJSON
	if encoded == nil {
		var err error
		if encoded, err = json.Marshal(d.json); err != nil {
			panic(err)
		}
	}
	return &pluginv2.PluginContext{
		OrgId:         d.org,
		PluginId:      pluginID,
		PluginVersion: "0.1.0",
		User:          &pluginv2.User{Login: "ada", Name: "Ada", Email: "ada@example.org", Role: "Editor"},
		DataSourceInstanceSettings: &pluginv2.DataSourceInstanceSettings{
			Id:                      d.number(),
			Uid:                     d.uid,
			Name:                    "Headwater " + d.uid,
			Url:                     d.url,
			BasicAuthEnabled:        d.basicAuthUser != "",
			BasicAuthUser:           d.basicAuthUser,
			JsonData:                encoded,
			DecryptedSecureJsonData: d.secrets,
			LastUpdatedMS:           d.updated,
		},
		GrafanaConfig: map[string]string{"GF_SQL_ROW_LIMIT": "1000000"},
		UserAgent:     "Grafana/12.4.0 (linux; amd64)",
	}
}
