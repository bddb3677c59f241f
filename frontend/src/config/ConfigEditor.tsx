/** The settings of a data source: where the metrics come from, and what it takes to get in. */
import { ConfigSection } from '@grafana/plugin-ui';
import { Alert, Box, Divider, FieldSet, RadioButtonList, Text } from '@grafana/ui';
import { useId, useState } from 'react';

import { t } from '../translate';
import { DEFAULT_ENGINE, DEFAULT_SCRAPE_INTERVAL, type EngineKind } from '../types';
import { addressAdvice } from './address';
import { AuthSection } from './AuthSection';
import { EmbeddedSettings } from './EmbeddedSettings';
import { DurationField, TextField } from './fields';
import { NextSteps } from './NextSteps';
import { RemoteSettings } from './RemoteSettings';
import { type EditorProps, type Settings, type SettingsProps, withOptions } from './settings';
import { TryIt } from './TryIt';

export type Props = EditorProps;

export default function ConfigEditor({ options: settings, onOptionsChange: onChange }: Props) {
  const { jsonData, readOnly } = settings;
  const engine = jsonData.engine ?? DEFAULT_ENGINE;
  const name = useId();
  return (
    <div data-testid="headwater-config-editor">
      {/* Grafana counts the settings' versions: a new data source is stored once before anyone has edited it. */}
      {((settings.version ?? 0) > 1 || readOnly) && (
        <>
          <NextSteps settings={settings} />
          <Divider />
        </>
      )}
      <FieldSet label={t('config.engine.title', 'Where do the metrics come from?')}>
        <RadioButtonList<EngineKind>
          name={name}
          value={engine}
          disabled={readOnly}
          options={[
            {
              value: 'embedded',
              label: t('config.engine.embedded', 'Scrape the app directly'),
              description: t(
                'config.engine.embedded-description',
                'Headwater reads the metrics page itself, keeps the samples on this Grafana’s disk and answers PromQL. No Prometheus server is needed.'
              ),
            },
            {
              value: 'remote',
              label: t('config.engine.remote', 'Query a Prometheus-compatible server'),
              description: t(
                'config.engine.remote-description',
                'Prometheus, Mimir, Thanos, VictoriaMetrics or Cortex keeps the samples. Headwater asks it.'
              ),
            },
          ]}
          onChange={(chosen) => onChange(withOptions(settings, { engine: chosen }))}
        />
      </FieldSet>
      <Connection settings={settings} onChange={onChange} engine={engine} />
      <Divider />
      <AuthSection settings={settings} onChange={onChange} engine={engine} />
      <Divider />
      {engine === 'embedded' ? (
        <EmbeddedSettings settings={settings} onChange={onChange} />
      ) : (
        <RemoteSettings settings={settings} onChange={onChange} />
      )}
    </div>
  );
}

function Connection({ settings, onChange, engine }: SettingsProps & { engine: EngineKind }) {
  const { jsonData, readOnly } = settings;
  const embedded = engine === 'embedded';
  // Advice waits until the address has been left once: nobody wants an error at the first letter.
  const [addressLeft, setAddressLeft] = useState(Boolean(settings.url));
  const advice = addressLeft ? addressAdvice(settings.url ?? '', engine) : {};
  const others = embedded && (jsonData.targets?.length ?? 0) > 0;
  return (
    <ConfigSection title={t('config.connection.title', 'Connection')}>
      <TextField
        label={embedded ? t('config.connection.page', 'Metrics page URL') : t('config.connection.server', 'Server URL')}
        description={
          embedded
            ? t(
                'config.connection.page-description',
                'The page that lists the app’s metrics, as Grafana’s server reaches it. Without a path, /metrics is read.'
              )
            : t(
                'config.connection.server-description',
                'The address under which the server answers, as Grafana’s server reaches it.'
              )
        }
        placeholder={embedded ? 'http://localhost:8080/metrics' : 'http://localhost:9090'}
        required={!others}
        disabled={readOnly}
        value={settings.url}
        problem={advice.error}
        onChange={(url) => onChange({ ...settings, url })}
        onBlur={() => setAddressLeft(true)}
      />
      {advice.hint && (
        <Box marginBottom={2}>
          <div role="status">
            <Text color="warning" variant="bodySmall" element="p">
              {advice.hint}
            </Text>
          </div>
        </Box>
      )}
      <DurationField
        label={t('config.connection.interval', 'Scrape interval')}
        description={
          embedded
            ? t('config.connection.interval-embedded', 'How often the metrics page is read.')
            : t(
                'config.connection.interval-remote',
                'How often the server scrapes its targets; $__rate_interval is computed from it.'
              )
        }
        placeholder={DEFAULT_SCRAPE_INTERVAL}
        disabled={readOnly}
        value={jsonData.timeInterval}
        onChange={(timeInterval) => onChange(withOptions(settings, { timeInterval }))}
      />
      {embedded && settings.url && !advice.error && (
        <TryIt settings={settings} onServerFound={readOnly ? undefined : () => onChange(asServer(settings))} />
      )}
      {embedded && !settings.url && !others && (
        <Alert severity="info" title={t('config.connection.empty', 'One address is enough to begin')}>
          {t(
            'config.connection.empty-text',
            'Enter the address of your app’s metrics page and press Save & test. Everything below has a default that works.'
          )}
        </Alert>
      )}
    </ConfigSection>
  );
}

/** The same host as a server that is queried: its API stands beside its page. */
function asServer(settings: Settings): Settings {
  return { ...withOptions(settings, { engine: 'remote' }), url: settings.url.replace(/\/metrics\/?$/, '') };
}
