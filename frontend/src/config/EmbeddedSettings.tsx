/** Settings of the engine that scrapes and keeps samples itself. */
import { ConfigSection, ConfigSubSection } from '@grafana/plugin-ui';
import { Divider } from '@grafana/ui';

import { t } from '../translate';
import { DataFolder } from './DataFolder';
import { DurationField, NumberField } from './fields';
import { type SettingsProps, withOptions } from './settings';
import { Targets } from './targets/Targets';

export function EmbeddedSettings({ settings, onChange }: SettingsProps) {
  const { jsonData, readOnly } = settings;
  const change = (options: Parameters<typeof withOptions>[1]) => onChange(withOptions(settings, options));
  const many = (jsonData.targets?.length ?? 0) > 0;
  return (
    <>
      <ConfigSection
        title={t('config.targets.title', 'More targets')}
        description={t(
          'config.targets.description',
          'Further pages that belong to this data source: other instances of the app, its neighbours, what a DNS name or a file lists.'
        )}
        isCollapsible
        isInitiallyOpen={many}
      >
        <Targets settings={settings} onChange={onChange} />
      </ConfigSection>
      <Divider />
      <ConfigSection
        title={t('config.storage.title', 'Storage')}
        description={t(
          'config.storage.description',
          'Samples lie on the disk of Grafana’s server. What is older, or more, than this is removed.'
        )}
        isCollapsible
        isInitiallyOpen
      >
        <DurationField
          label={t('config.storage.retention', 'Keep for')}
          description={t('config.storage.retention-description', 'How long samples are kept: 30d, 12h, 1y.')}
          placeholder="15d"
          disabled={readOnly}
          value={jsonData.retention}
          onChange={(retention) => change({ retention })}
        />
        <NumberField
          sizes
          label={t('config.storage.size', 'At most')}
          description={t(
            'config.storage.size-description',
            'How much disk they may take; the oldest go first: 4GB, 512MB.'
          )}
          placeholder={t('config.no-limit', 'No limit')}
          disabled={readOnly}
          value={jsonData.retentionSize}
          onChange={(retentionSize) => change({ retentionSize })}
        />
        <DataFolder uid={settings.uid} saved={(settings.version ?? 0) > 1 || Boolean(readOnly)} />
      </ConfigSection>
      <Divider />
      <ConfigSection
        title={t('config.limits.title', 'Limits')}
        description={t(
          'config.limits.description',
          'Bounds that keep one app from filling this server. The defaults suit most.'
        )}
        isCollapsible
        isInitiallyOpen={false}
      >
        <ConfigSubSection title={t('config.limits.scrapes', 'Scrapes')}>
          <DurationField
            label={t('config.limits.timeout', 'Scrape timeout')}
            description={t(
              'config.limits.timeout-description',
              'How long a scrape may take; at most the scrape interval.'
            )}
            placeholder="10s"
            disabled={readOnly}
            value={jsonData.scrapeTimeout}
            onChange={(scrapeTimeout) => change({ scrapeTimeout })}
          />
          <NumberField
            label={t('config.limits.samples-of-page', 'Samples of a page')}
            description={t('config.limits.samples-of-page-description', 'A page with more is refused as a whole.')}
            placeholder="500000"
            disabled={readOnly}
            value={jsonData.sampleLimit}
            onChange={(sampleLimit) => change({ sampleLimit })}
          />
          <NumberField
            sizes
            label={t('config.limits.page-size', 'Size of a page')}
            description={t('config.limits.page-size-description', 'A larger page is refused.')}
            placeholder="64MB"
            disabled={readOnly}
            value={jsonData.bodySizeLimit}
            onChange={(bodySizeLimit) => change({ bodySizeLimit })}
          />
          <NumberField
            label={t('config.limits.series', 'Series')}
            description={t(
              'config.limits.series-description',
              'How many series may be there at once; further ones are refused.'
            )}
            placeholder="1000000"
            disabled={readOnly}
            value={jsonData.maxSeries}
            onChange={(maxSeries) => change({ maxSeries })}
          />
        </ConfigSubSection>
        <ConfigSubSection title={t('config.limits.queries', 'Queries')}>
          <DurationField
            label={t('config.limits.lookback', 'Lookback')}
            description={t('config.limits.lookback-description', 'How long a sample counts as the newest.')}
            placeholder="5m"
            disabled={readOnly}
            value={jsonData.lookback}
            onChange={(lookback) => change({ lookback })}
          />
          <NumberField
            label={t('config.limits.samples-of-query', 'Samples of a query')}
            description={t('config.limits.samples-of-query-description', 'A query that needs more at once is stopped.')}
            placeholder="50000000"
            disabled={readOnly}
            value={jsonData.maxSamples}
            onChange={(maxSamples) => change({ maxSamples })}
          />
          <NumberField
            label={t('config.limits.concurrency', 'Queries at once')}
            description={t('config.limits.concurrency-description', 'Further ones wait for their turn.')}
            placeholder="10"
            disabled={readOnly}
            value={jsonData.maxConcurrentQueries}
            onChange={(maxConcurrentQueries) => change({ maxConcurrentQueries })}
          />
        </ConfigSubSection>
      </ConfigSection>
    </>
  );
}
