/** Where the specs find what they test against. */
export const PLUGIN_ID = 'headwater-metrics-datasource';

/** A Prometheus that scrapes itself, as Grafana's server reaches it. */
export const PROMETHEUS_URL = process.env.PROMETHEUS_URL ?? 'http://prometheus:9090';

/** A page with more metrics than are shown at once, as Grafana's server reaches it: that Prometheus's own, or an exporter's. */
export const EXPORTER_URL = process.env.EXPORTER_URL ?? `${PROMETHEUS_URL}/metrics`;

/** A port at which nothing listens, on the machine of Grafana's server. */
export const NOBODY_URL = 'http://127.0.0.1:9';

/** Where a spec leaves a picture for someone to look at. */
export function screenshotPath(name: string): string {
  return `artifacts/screenshots/${name}.png`;
}
