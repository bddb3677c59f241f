/** Settings of the engine that asks a Prometheus-compatible server. */
import { ConfigSection } from '@grafana/plugin-ui';
import { Divider } from '@grafana/ui';

import { t } from '../translate';
import { ExemplarLinks } from './ExemplarLinks';
import { ChoiceField, DurationField, NumberField, SwitchField, TextField } from './fields';
import { type SettingsProps, withOptions } from './settings';

export function RemoteSettings({ settings, onChange }: SettingsProps) {
  const { jsonData, readOnly } = settings;
  const change = (options: Parameters<typeof withOptions>[1]) => onChange(withOptions(settings, options));
  return (
    <>
      <ConfigSection
        title={t('config.queries.title', 'Queries')}
        description={t('config.queries.description', 'How the server is asked.')}
        isCollapsible
        isInitiallyOpen
      >
        <ChoiceField
          label={t('config.queries.method', 'HTTP method')}
          description={t(
            'config.queries.method-description',
            'POST takes queries of any length; GET is for servers and proxies that refuse POST.'
          )}
          value={jsonData.httpMethod?.toUpperCase() === 'GET' ? 'GET' : 'POST'}
          disabled={readOnly}
          options={[
            { value: 'POST', label: 'POST' },
            { value: 'GET', label: 'GET' },
          ]}
          onChange={(httpMethod) => change({ httpMethod })}
        />
        <DurationField
          label={t('config.queries.timeout', 'Query timeout')}
          description={t(
            'config.queries.timeout-description',
            'After this time a query is given up, here and on the server.'
          )}
          placeholder={t('config.queries.timeout-default', 'The server’s')}
          disabled={readOnly}
          value={jsonData.queryTimeout}
          onChange={(queryTimeout) => change({ queryTimeout })}
        />
        <TextField
          label={t('config.queries.parameters', 'Custom query parameters')}
          description={t('config.queries.parameters-description', 'Added to the address of every request.')}
          placeholder="max_source_resolution=5m&dedup=true"
          disabled={readOnly}
          value={jsonData.customQueryParameters}
          onChange={(customQueryParameters) => change({ customQueryParameters })}
        />
        <ChoiceField
          label={t('config.queries.kind', 'Kind of server')}
          description={t(
            'config.queries.kind-description',
            'Headwater finds out by itself; say it where a proxy hides it.'
          )}
          value={jsonData.prometheusType ?? ''}
          disabled={readOnly}
          options={[
            { value: '', label: t('config.queries.kind-auto', 'Find out') },
            ...['Prometheus', 'Mimir', 'Thanos', 'VictoriaMetrics', 'Cortex'].map((kind) => ({
              value: kind,
              label: kind,
            })),
          ]}
          onChange={(prometheusType) => change({ prometheusType })}
        />
        <SwitchField
          label={t('config.queries.series-endpoint', 'Look names up among series')}
          description={t(
            'config.queries.series-endpoint-description',
            'For servers whose label API ignores filters. Slower.'
          )}
          value={jsonData.seriesEndpoint ?? false}
          disabled={readOnly}
          onChange={(seriesEndpoint) => change({ seriesEndpoint: seriesEndpoint || undefined })}
        />
      </ConfigSection>
      <Divider />
      <ConfigSection
        title={t('config.cache.title', 'Cache and limits')}
        description={t(
          'config.cache.description',
          'What keeps a busy dashboard from flooding the server, and a large answer from filling this one.'
        )}
        isCollapsible
        isInitiallyOpen={false}
      >
        <SwitchField
          label={t('config.cache.incremental', 'Incremental querying')}
          description={t(
            'config.cache.incremental-description',
            'Of a time range that moves on, ask only for what is new and keep the rest in memory.'
          )}
          value={jsonData.incrementalQuerying ?? false}
          disabled={readOnly}
          onChange={(incrementalQuerying) => change({ incrementalQuerying: incrementalQuerying || undefined })}
        />
        {jsonData.incrementalQuerying && (
          <>
            <DurationField
              label={t('config.cache.overlap', 'Overlap')}
              description={t(
                'config.cache.overlap-description',
                'How much of the known end is asked for again, for samples that arrive late.'
              )}
              placeholder="10m"
              disabled={readOnly}
              value={jsonData.incrementalQueryOverlapWindow}
              onChange={(incrementalQueryOverlapWindow) => change({ incrementalQueryOverlapWindow })}
            />
            <NumberField
              label={t('config.cache.bytes', 'Cache size')}
              description={t(
                'config.cache.bytes-description',
                'Bytes of memory for earlier answers of this data source.'
              )}
              placeholder="67108864"
              disabled={readOnly}
              value={jsonData.cacheBytes}
              onChange={(cacheBytes) => change({ cacheBytes })}
            />
          </>
        )}
        <NumberField
          label={t('config.cache.concurrency', 'Queries at once')}
          description={t('config.cache.concurrency-description', 'Further ones wait here instead of at the server.')}
          placeholder="10"
          disabled={readOnly}
          value={jsonData.maxConcurrentQueries}
          onChange={(maxConcurrentQueries) => change({ maxConcurrentQueries })}
        />
        <NumberField
          label={t('config.cache.queue', 'Queries that wait')}
          description={t(
            'config.cache.queue-description',
            'Where more wait for their turn, the next one fails at once; 0 lets none wait.'
          )}
          placeholder="1000"
          disabled={readOnly}
          value={jsonData.maxQueuedQueries}
          onChange={(maxQueuedQueries) => change({ maxQueuedQueries })}
        />
        <NumberField
          label={t('config.cache.response-bytes', 'Bytes of an answer')}
          description={t(
            'config.cache.response-bytes-description',
            'Counted after decompression. Where an answer has more, what is said below happens.'
          )}
          placeholder="2147483648"
          disabled={readOnly}
          value={jsonData.maxResponseBytes}
          onChange={(maxResponseBytes) => change({ maxResponseBytes })}
        />
        <NumberField
          label={t('config.cache.series', 'Series of an answer')}
          description={t('config.cache.series-description', 'Where an answer has more, what is said below happens.')}
          placeholder="100000"
          disabled={readOnly}
          value={jsonData.maxSeries}
          onChange={(maxSeries) => change({ maxSeries })}
        />
        <NumberField
          label={t('config.cache.samples', 'Samples of an answer')}
          description={t('config.cache.samples-description', 'Where an answer has more, what is said below happens.')}
          placeholder="50000000"
          disabled={readOnly}
          value={jsonData.maxSamples}
          onChange={(maxSamples) => change({ maxSamples })}
        />
        <ChoiceField
          label={t('config.cache.at-limit', 'At a limit')}
          description={t(
            'config.cache.at-limit-description',
            'Alert rules always fail: none may judge by half of the data.'
          )}
          value={jsonData.atLimit === 'error' ? 'error' : 'partial'}
          disabled={readOnly}
          options={[
            { value: 'partial', label: t('config.cache.partial', 'Show what arrived, with a warning') },
            { value: 'error', label: t('config.cache.error', 'Fail') },
          ]}
          onChange={(atLimit) => change({ atLimit: atLimit === 'partial' ? undefined : atLimit })}
        />
        <NumberField
          label={t('config.cache.series-limit', 'Names in a look-up')}
          description={t(
            'config.cache.series-limit-description',
            'How many metrics, labels or values are asked for at once; 0 sets no limit.'
          )}
          placeholder="40000"
          disabled={readOnly}
          value={jsonData.seriesLimit}
          onChange={(seriesLimit) => change({ seriesLimit })}
        />
        <DurationField
          label={t('config.cache.connect', 'Connection timeout')}
          description={t(
            'config.cache.connect-description',
            'How long it may take until the server takes the connection.'
          )}
          placeholder="10s"
          disabled={readOnly}
          value={jsonData.connectTimeout}
          onChange={(connectTimeout) => change({ connectTimeout })}
        />
        <ChoiceField
          label={t('config.cache.compression', 'Compression')}
          description={t(
            'config.cache.compression-description',
            'In a local network inflating an answer takes longer than sending it whole.'
          )}
          value={jsonData.compression ?? 'auto'}
          disabled={readOnly}
          options={[
            { value: 'auto', label: t('config.cache.compression-auto', 'Except in local networks') },
            { value: 'on', label: t('config.cache.compression-on', 'Always') },
            { value: 'off', label: t('config.cache.compression-off', 'Never') },
          ]}
          onChange={(compression) => change({ compression: compression === 'auto' ? undefined : compression })}
        />
      </ConfigSection>
      <Divider />
      <ConfigSection
        title={t('config.exemplars.title', 'Exemplars')}
        description={t('config.exemplars.description', 'Where the trace behind a point is found.')}
        isCollapsible
        isInitiallyOpen={(jsonData.exemplarTraceIdDestinations?.length ?? 0) > 0}
      >
        <ExemplarLinks settings={settings} onChange={onChange} />
      </ConfigSection>
    </>
  );
}
