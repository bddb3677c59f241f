import { addressAdvice } from './address';

test('an address with scheme and host is accepted by both engines', () => {
  expect(addressAdvice('http://wiki:8000/metrics', 'embedded')).toEqual({});
  expect(addressAdvice('https://prometheus.example.org/prefix/', 'remote')).toEqual({});
  expect(addressAdvice('http://[::1]:9090', 'remote')).toEqual({});
});

test('nothing typed yet is no mistake', () => {
  expect(addressAdvice('  ', 'embedded')).toEqual({});
});

test('an address without a scheme is answered with one that has it', () => {
  expect(addressAdvice('localhost:9090', 'remote').error).toContain('http://localhost:9090');
  expect(addressAdvice('wiki/metrics', 'embedded').error).toContain('http://wiki/metrics');
});

test.each(['ftp://host/metrics', 'file:///etc/passwd', 'http://', 'not an address'])('%s is refused', (address) => {
  expect(addressAdvice(address, 'embedded').error).toMatch(/http:\/\/ or https:\/\//);
});

test('a password in an address is refused, since addresses are stored readable', () => {
  expect(addressAdvice('http://me:secret@host:9090', 'remote').error).toMatch(/password/);
});

test('a metrics page given as a server is told apart', () => {
  expect(addressAdvice('http://wiki:8000/metrics/', 'remote').hint).toMatch(/Scrape the app directly/);
});

test('a query API given as a metrics page is told apart', () => {
  expect(addressAdvice('http://prometheus:9090/api/v1', 'embedded').hint).toMatch(/Prometheus-compatible server/);
  expect(addressAdvice('http://prometheus:9090/api/v1/query', 'remote').hint).toMatch(/by itself/);
});
