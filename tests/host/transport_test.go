package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// How a server is reached: the settings of query-contract.md that a server notices.

// authority issues certificates that nobody but these tests trusts.
type authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{tb: tb}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Headwater tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		tb.Fatal(err)
	}
	a.pem = inPEM("CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatal(err)
	}
	return key
}

// issue makes a certificate and its key, as PEM, for a server of that name or for a client.
func (a *authority) issue(name string, usage x509.ExtKeyUsage) (certificate, key string) {
	a.tb.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	own := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, own.Public(), a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		a.tb.Fatal(err)
	}
	return inPEM("CERTIFICATE", der), inPEM("PRIVATE KEY", encoded)
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// withSecrets is the same data source with these secrets beside its own.
func (d dataSource) withSecrets(secrets map[string]string) dataSource {
	d.uid = fmt.Sprintf("%s-%d", d.uid, newest.Add(1))
	all := map[string]string{}
	for _, some := range []map[string]string{d.secrets, secrets} {
		for key, value := range some {
			all[key] = value
		}
	}
	d.secrets = all
	return d
}

// startSecure is a server that shows a certificate for `name` and asks its callers for one.
func startSecure(t *testing.T, a *authority, name string) *httptest.Server {
	t.Helper()
	certificate, key := a.issue(name, x509.ExtKeyUsageServerAuth)
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(a.pem))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeData(w, map[string]any{"resultType": "vector", "result": []any{
			map[string]any{"metric": map[string]string{"caller": r.TLS.PeerCertificates[0].Subject.CommonName}, "value": []any{1, "1"}},
		}})
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert}
	// Refused handshakes are what is tested here.
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestTLSTakesTheAuthorityTheNameAndOurCertificateFromTheSettings(t *testing.T) {
	a := newAuthority(t)
	plain := startSecure(t, a, "127.0.0.1")
	named := startSecure(t, a, "metrics.internal")
	certificate, key := a.issue("headwater", x509.ExtKeyUsageClientAuth)
	p := start(t, launch{})
	client := map[string]string{"tlsClientCert": certificate, "tlsClientKey": key, "tlsCACert": a.pem}
	for name, c := range map[string]struct {
		server   *httptest.Server
		settings map[string]any
		// words are in the error; none where there is an answer.
		words string
	}{
		"all of it":                           {plain, map[string]any{"tlsAuth": true, "tlsAuthWithCACert": true}, ""},
		"any certificate":                     {plain, map[string]any{"tlsAuth": true, "tlsSkipVerify": true}, ""},
		"any name too":                        {named, map[string]any{"tlsAuth": true, "tlsSkipVerify": true}, ""},
		"the name of the settings":            {named, map[string]any{"tlsAuth": true, "tlsAuthWithCACert": true, "serverName": "metrics.internal"}, ""},
		"an authority that nobody knows":      {plain, map[string]any{"tlsAuth": true}, "certificate"},
		"another name than the certificate's": {named, map[string]any{"tlsAuth": true, "tlsAuthWithCACert": true}, "certificate"},
		"no certificate of ours":              {plain, map[string]any{"tlsAuthWithCACert": true}, "Cannot reach"},
	} {
		t.Run(name, func(t *testing.T) {
			p := p.in(t)
			ds := remote(c.server.URL).withSecrets(client)
			for setting, value := range c.settings {
				ds = ds.with(setting, value)
			}
			got := p.ask(ds, query("A", map[string]any{"expr": "up", "instant": true}))["A"]
			if c.words != "" {
				if !strings.Contains(got.err, c.words) || got.status != 502 || got.source != "downstream" {
					t.Errorf("%d %s %q, want %q", got.status, got.source, got.err, c.words)
				}
				if strings.Contains(got.err, "PRIVATE KEY") {
					t.Errorf("the key is in the error: %q", got.err)
				}
				return
			}
			if frames := good(t, map[string]answer{"A": got}, "A"); frames[0].Fields[1].Labels["caller"] != "headwater" {
				t.Errorf("the server saw %v", frames[0].Fields[1].Labels)
			}
		})
	}
}

func TestAProxyStandsBetweenWhereTheHostNamesOne(t *testing.T) {
	up := startUpstream(t)
	var mu sync.Mutex
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		through = append(through, r.URL.String())
		mu.Unlock()
		// Whatever host was asked for: the server of this test has the answer.
		r.URL.Host, r.RequestURI = strings.TrimPrefix(up.URL, "http://"), ""
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body)
	}))
	t.Cleanup(proxy.Close)
	p := start(t, launch{env: []string{"HTTP_PROXY=" + proxy.URL, "NO_PROXY=127.0.0.1"}})
	good(t, p.ask(remote("http://metrics.invalid:9090"), query("A", map[string]any{"expr": "up"})), "A")
	mu.Lock()
	seen := slices.Clone(through)
	mu.Unlock()
	if len(seen) == 0 || !strings.HasPrefix(seen[0], "http://metrics.invalid:9090/api/v1/query_range") {
		t.Errorf("through the proxy went %q", seen)
	}
	good(t, p.ask(remote(up.URL), query("A", map[string]any{"expr": "up"})), "A")
	mu.Lock()
	defer mu.Unlock()
	if len(through) != len(seen) {
		t.Errorf("a host of NO_PROXY was asked through the proxy: %q", through)
	}
}

func TestAServerThatRefusesPOSTIsAskedWithGETFromThenOn(t *testing.T) {
	up := startUpstream(t)
	var mu sync.Mutex
	var methods []string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/query_range") {
			mu.Lock()
			methods = append(methods, r.Method)
			mu.Unlock()
		}
		if r.Method == http.MethodPost {
			http.Error(w, "read only", http.StatusMethodNotAllowed)
			return
		}
		up.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(gateway.Close)
	p := start(t, launch{})
	ds := remote(gateway.URL)
	for range 2 {
		if frames := good(t, p.ask(ds, query("A", map[string]any{"expr": "up", "range": true})), "A"); len(frames) != 2 {
			t.Errorf("%d frames", len(frames))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(methods, []string{"POST", "GET", "GET"}) {
		t.Errorf("the server got %v", methods)
	}
}

func TestBasicAuthenticationAndTheURLOfJsonData(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote("").with("url", up.URL)
	ds.basicAuthUser = "ada"
	ds = ds.withSecrets(map[string]string{"basicAuthPassword": "open: sesame", "apiKey": "not sent beside it"})
	good(t, p.ask(ds, query("A", map[string]any{"expr": "up"})), "A")
	r := &http.Request{Header: up.queries("up")[0].header}
	if user, password, _ := r.BasicAuth(); user != "ada" || password != "open: sesame" {
		t.Errorf("the server got %q %q", user, password)
	}
}

func TestLookUpsAreBoundedAndSayWhereTheyWereCut(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	for limit, want := range map[int]struct{ asked, told string }{
		0:  {"", ""},
		1:  {"2", "1"},
		2:  {"3", ""},
		50: {"51", ""},
	} {
		got := p.call(remote(up.URL).with("seriesLimit", limit), "GET", "metrics", nil)
		var names []string
		if err := json.Unmarshal(got.body, &names); err != nil || got.code != 200 {
			t.Fatalf("limit %d: status %d: %s", limit, got.code, got.body)
		}
		sent := up.seen("/label/__name__/values")
		if asked := sent[len(sent)-1].form.Get("limit"); asked != want.asked {
			t.Errorf("limit %d: the server was asked for %q, want %q", limit, asked, want.asked)
		}
		if told := got.get("X-Headwater-Truncated"); told != want.told || len(names) > 2 || limit == 1 && len(names) != 1 {
			t.Errorf("limit %d: told %q, names %v", limit, told, names)
		}
	}
}

func TestNamesAreLookedUpAmongSeriesWhereTheSettingsSaySo(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	body := mustEncode(map[string]any{"query": "label_values(up, job)"})
	for _, among := range []bool{false, true} {
		before := len(up.seen("/api/v1/series"))
		got := p.call(remote(up.URL).with("seriesEndpoint", among), "POST", "variable-query", body)
		if asked := len(up.seen("/api/v1/series")) > before; got.code != 200 || asked != among {
			t.Errorf("seriesEndpoint %t: status %d, series asked %t: %s", among, got.code, asked, got.body)
		}
	}
}

func TestAnOldServerHasItsNamesAmongSeries(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL).with("prometheusType", "Prometheus").with("prometheusVersion", "2.20.0")
	// What the server says of itself counts for more than the settings, once it has said so: this
	// one says 2.42.
	if got := p.call(ds, "POST", "variable-query", mustEncode(map[string]any{"query": "label_values(up, job)"})); got.code != 200 {
		t.Fatalf("status %d: %s", got.code, got.body)
	}
	if len(up.seen("/api/v1/series")) != 1 {
		t.Error("before the server said what it is, the version of the settings did not count")
	}
}

func TestLabelNamesBeyondASCIIArriveEscaped(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	if got := p.call(remote(up.URL), "GET", "api/v1/label/U__my_2e_label/values", nil); got.code != 200 {
		t.Errorf("status %d: %s", got.code, got.body)
	}
	body := mustEncode(map[string]any{"labelName": "my.label"})
	if got := p.call(remote(up.URL), "POST", "suggestions", body); got.code != 200 {
		t.Errorf("status %d: %s", got.code, got.body)
	}
	if sent := up.seen("/label/U__my_2e_label/values"); len(sent) != 2 {
		t.Errorf("%d of two questions arrived under the escaped name", len(sent))
	}
}

func TestSettingsOfTheFrontendAloneMeanNothingToTheBackend(t *testing.T) {
	up := startUpstream(t)
	p := start(t, launch{})
	ds := remote(up.URL).with("cacheLevel", "High").with("disableRecordingRules", true).with("manageAlerts", true).
		with("exemplarTraceIdDestinations", []any{map[string]any{"name": "trace_id", "url": "http://tempo/${__value.raw}"}})
	good(t, p.ask(ds, query("A", map[string]any{"expr": "up"})), "A")
}

// TestARealPrometheusBehindTLSAndAPassword asks Debian's Prometheus as it stands in the open:
// https with a certificate of its own authority, ours asked for, and a password.
func TestARealPrometheusBehindTLSAndAPassword(t *testing.T) {
	a := newAuthority(t)
	dir := shortTempDir(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate, key := a.issue("127.0.0.1", x509.ExtKeyUsageServerAuth)
	// bcrypt of "open sesame".
	web := fmt.Sprintf(`
tls_server_config: {cert_file: %q, key_file: %q, client_ca_file: %q, client_auth_type: RequireAndVerifyClientCert}
basic_auth_users: {ada: "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"}
`, write("server.crt", certificate), write("server.key", key), write("ca.crt", a.pem))
	address := freeAddress(t)
	run(t, "prometheus", "--config.file="+write("prometheus.yml", "scrape_configs: []\n"), "--web.config.file="+write("web.yml", web),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)

	clientCertificate, clientKey := a.issue("headwater", x509.ExtKeyUsageClientAuth)
	ds := remote("https://"+address).with("tlsAuth", true).with("tlsAuthWithCACert", true)
	ds.basicAuthUser = "ada"
	ds = ds.withSecrets(map[string]string{"tlsCACert": a.pem, "tlsClientCert": clientCertificate, "tlsClientKey": clientKey})
	right := ds.withSecrets(map[string]string{"basicAuthPassword": "open sesame"})
	p := start(t, launch{})
	eventually(t, "Prometheus is ready", func() bool { return p.health(right).Status == healthy })
	q := query("A", map[string]any{"expr": "vector(7)", "instant": true})
	if frames := good(t, p.ask(right, q), "A"); len(frames) != 1 || frames[0].Fields[1].At(0) != 7.0 {
		t.Errorf("%v", frames)
	}
	wrong := ds.withSecrets(map[string]string{"basicAuthPassword": "0pen sesame"})
	if got := p.ask(wrong, q)["A"]; got.status != 401 || got.source != "downstream" || strings.Contains(got.err, "sesame") {
		t.Errorf("%d %s %q", got.status, got.source, got.err)
	}
	if got := p.health(wrong); got.Status == healthy || !strings.Contains(got.Message, "401") {
		t.Errorf("%s %q", got.Status, got.Message)
	}
	if got := p.health(right.with("tlsAuth", false)); got.Status == healthy || !strings.Contains(strings.ToLower(got.Message), "certificate") {
		t.Errorf("%s %q", got.Status, got.Message)
	}
}
