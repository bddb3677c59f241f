/** The settings of a data source: where the metrics come from, and what it takes to get in. */
import type { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { Box, Field, FieldSet, Input, RadioButtonList, SecretInput, Stack, Switch, Text } from '@grafana/ui';
import { useId, useState } from 'react';

import { durationProblem } from '../duration';
import {
  type DataSourceOptions,
  DEFAULT_ENGINE,
  DEFAULT_SCRAPE_INTERVAL,
  type EngineKind,
  type SecureOptions,
} from '../types';
import { addressAdvice } from './address';

export type Props = DataSourcePluginOptionsEditorProps<DataSourceOptions, SecureOptions>;

const FIELD_WIDTH = 60;

const ENGINES: Array<{ value: EngineKind; label: string; description: string }> = [
  {
    value: 'embedded',
    label: 'Scrape the app directly',
    description:
      'Headwater reads the metrics page itself, keeps the samples on this Grafana’s disk and answers PromQL. No Prometheus server is needed.',
  },
  {
    value: 'remote',
    label: 'Query a Prometheus-compatible server',
    description: 'Prometheus, Mimir, Thanos, VictoriaMetrics or Cortex keeps the samples. Headwater asks it.',
  },
];

const ADDRESS: Record<EngineKind, { label: string; description: string; placeholder: string }> = {
  embedded: {
    label: 'Metrics page URL',
    description:
      'The page that lists the app’s metrics, as Grafana’s server reaches it. Without a path, /metrics is read.',
    placeholder: 'http://localhost:8080/metrics',
  },
  remote: {
    label: 'Server URL',
    description: 'The address under which the server answers, as Grafana’s server reaches it.',
    placeholder: 'http://localhost:9090',
  },
};

const INTERVAL_DESCRIPTION: Record<EngineKind, string> = {
  embedded: `How often the metrics page is read. ${DEFAULT_SCRAPE_INTERVAL} when empty.`,
  remote: `How often the server scrapes its targets; $__rate_interval is computed from it. ${DEFAULT_SCRAPE_INTERVAL} when empty.`,
};

export default function ConfigEditor({ options, onOptionsChange }: Props) {
  const { jsonData, secureJsonData, secureJsonFields, readOnly } = options;
  const engine = jsonData.engine ?? DEFAULT_ENGINE;
  const ids = useId();
  // Advice waits until the address has been left once: nobody wants an error at the first letter.
  const [addressLeft, setAddressLeft] = useState(Boolean(options.url));
  const advice = addressLeft ? addressAdvice(options.url, engine) : {};
  const interval = String(jsonData.timeInterval ?? '');
  const intervalProblem = durationProblem(interval);

  const setJson = (change: Partial<DataSourceOptions>) =>
    onOptionsChange({ ...options, jsonData: { ...jsonData, ...change } });
  const setApiKey = (apiKey: string) => onOptionsChange({ ...options, secureJsonData: { ...secureJsonData, apiKey } });
  const resetApiKey = () =>
    onOptionsChange({
      ...options,
      secureJsonFields: { ...secureJsonFields, apiKey: false },
      secureJsonData: { ...secureJsonData, apiKey: '' },
    });

  const apiKeyStored = Boolean(secureJsonFields?.apiKey);
  const address = ADDRESS[engine];

  return (
    <div data-testid="headwater-config-editor">
      <FieldSet label="Where do the metrics come from?">
        <RadioButtonList
          name={`${ids}-engine`}
          options={ENGINES}
          value={engine}
          disabled={readOnly}
          onChange={(chosen) => setJson({ engine: chosen })}
        />
      </FieldSet>

      <FieldSet label="Connection">
        <Box marginBottom={2}>
          <Stack direction="column" gap={0.5}>
            <Field
              label={address.label}
              description={address.description}
              htmlFor={`${ids}-url`}
              required
              noMargin
              invalid={advice.error !== undefined}
              error={advice.error}
            >
              <Input
                id={`${ids}-url`}
                type="url"
                width={FIELD_WIDTH}
                value={options.url ?? ''}
                placeholder={address.placeholder}
                disabled={readOnly}
                required
                aria-describedby={advice.hint ? `${ids}-url-hint` : undefined}
                onChange={(event) => onOptionsChange({ ...options, url: event.currentTarget.value })}
                onBlur={() => setAddressLeft(true)}
              />
            </Field>
            {advice.hint && (
              <div id={`${ids}-url-hint`} role="status">
                <Text color="warning" variant="bodySmall" element="p">
                  {advice.hint}
                </Text>
              </div>
            )}
          </Stack>
        </Box>
        <Field
          label="Scrape interval"
          description={INTERVAL_DESCRIPTION[engine]}
          htmlFor={`${ids}-interval`}
          invalid={intervalProblem !== undefined}
          error={intervalProblem}
        >
          <Input
            id={`${ids}-interval`}
            width={20}
            value={interval}
            placeholder={DEFAULT_SCRAPE_INTERVAL}
            disabled={readOnly}
            onChange={(event) => setJson({ timeInterval: event.currentTarget.value || undefined })}
          />
        </Field>
      </FieldSet>

      <FieldSet label="Access">
        <Field
          label="API key or token"
          description="Sent as “Authorization: Bearer …”. Leave it empty when the address needs none. Stored encrypted, and never shown again."
          htmlFor={`${ids}-api-key`}
        >
          {readOnly && apiKeyStored ? (
            <Input id={`${ids}-api-key`} type="password" width={FIELD_WIDTH} value="configured" disabled />
          ) : (
            <SecretInput
              id={`${ids}-api-key`}
              width={FIELD_WIDTH}
              isConfigured={apiKeyStored}
              value={secureJsonData?.apiKey ?? ''}
              placeholder="No key"
              autoComplete="new-password"
              disabled={readOnly}
              onReset={resetApiKey}
              onChange={(event) => setApiKey(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field
          label="Skip TLS verification"
          description="Accept any certificate, also a forged one. Only for testing."
          htmlFor={`${ids}-skip-verify`}
        >
          <Switch
            id={`${ids}-skip-verify`}
            value={jsonData.tlsSkipVerify ?? false}
            disabled={readOnly}
            onChange={(event) => setJson({ tlsSkipVerify: event.currentTarget.checked })}
          />
        </Field>
      </FieldSet>
    </div>
  );
}
