/** One entry of the list of targets. */
import { useState } from 'react';

import { t } from '../../translate';
import type { TargetOptions } from '../../types';
import { addressAdvice } from '../address';
import { ChoiceField, DurationField, NumberField, SecretField, SwitchField, TextField } from '../fields';
import { RulesField } from '../RulesField';
import { type Settings, withoutSecret, withSecret } from '../settings';
import {
  type Finding,
  findingOf,
  foundBy,
  freeSecretName,
  labelsProblem,
  labelsText,
  readLabels,
  withKeys,
} from './target_entry';

interface Props {
  settings: Settings;
  target: TargetOptions;
  /** The settings with the entry changed to `target`, or as they would be with other secrets. */
  onChange: (target: TargetOptions, settings?: Settings) => void;
}

/** The parts of a name list that someone types, with commas between them. */
const parts = (text: string) => text.split(',').map((part) => part.trim());

export function TargetForm({ settings, target, onChange }: Props) {
  const disabled = settings.readOnly;
  const finding = findingOf(target);
  const change = (keys: Partial<TargetOptions>) => onChange(withKeys(target, keys));
  const [labels, setLabels] = useState(() => labelsText(target.labels));
  return (
    <>
      <ChoiceField<Finding>
        label={t('config.target.finding', 'Found by')}
        description={t('config.target.finding-description', 'How the pages of this target are found.')}
        value={finding}
        disabled={disabled || finding === 'other'}
        options={[
          {
            value: 'url',
            label: t('config.target.by-url', 'Address'),
            description: t('config.target.by-url-description', 'One page'),
          },
          {
            value: 'dns',
            label: t('config.target.by-dns', 'DNS name'),
            description: t('config.target.by-dns-description', 'One page for each record, looked up every 30 s'),
          },
          {
            value: 'file',
            label: t('config.target.by-file', 'File'),
            description: t(
              'config.target.by-file-description',
              'A list on Grafana’s server, as Prometheus’s file_sd reads it'
            ),
          },
          ...(finding === 'other'
            ? [{ value: 'other' as const, label: t('config.target.by-other', 'Prometheus’s configuration') }]
            : []),
        ]}
        onChange={(chosen) => onChange(foundBy(target, chosen))}
      />
      {finding === 'url' && (
        <TextField
          label={t('config.target.url', 'Target URL')}
          description={t(
            'config.target.url-description',
            'The metrics page, as Grafana’s server reaches it. Without a path, /metrics is read.'
          )}
          placeholder="http://shop:9100/metrics"
          required
          disabled={disabled}
          value={target.url ?? target.urls?.join(', ')}
          problem={target.url ? addressAdvice(target.url, 'embedded').error : undefined}
          onChange={(url) => onChange({ ...target, url, urls: undefined })}
        />
      )}
      {finding === 'dns' && <DnsFields target={target} disabled={disabled} onChange={change} />}
      {finding === 'file' && (
        <TextField
          label={t('config.target.files', 'Files')}
          description={t(
            'config.target.files-description',
            'Paths that end in .json, .yml or .yaml, with commas between them; * in a file’s name stands for anything. Only files below folders that Grafana’s administrator allows are read (/etc/headwater by default).'
          )}
          placeholder="/etc/headwater/targets/*.yml"
          required
          disabled={disabled}
          value={target.file?.paths?.join(', ')}
          onChange={(text) => change({ file: { ...target.file, paths: parts(text) } })}
        />
      )}
      {(finding === 'dns' || finding === 'file') && (
        <ChoiceField
          label={t('config.target.scheme', 'Scheme')}
          description={t('config.target.scheme-description', 'Over which protocol the pages are asked for.')}
          value={target.scheme ?? 'http'}
          disabled={disabled}
          options={[
            { value: 'http', label: 'http' },
            { value: 'https', label: 'https' },
          ]}
          onChange={(scheme) => change({ scheme: scheme === 'http' ? undefined : scheme })}
        />
      )}
      {(finding === 'dns' || finding === 'file') && (
        <TextField
          label={t('config.target.path', 'Path')}
          description={t('config.target.path-description', 'Where the pages stand.')}
          placeholder="/metrics"
          short
          disabled={disabled}
          value={target.metricsPath}
          onChange={(metricsPath) => change({ metricsPath })}
        />
      )}
      <TextField
        label={t('config.target.job', 'Job name')}
        description={t('config.target.job-description', 'The label job of its series.')}
        placeholder={finding === 'file' ? '' : t('config.target.job-default', 'The host’s name')}
        required={finding === 'file'}
        disabled={disabled}
        value={target.job}
        onChange={(job) => change({ job })}
      />
      {finding === 'url' && (
        <TextField
          label={t('config.target.labels', 'Labels')}
          description={t('config.target.labels-description', 'Further labels of its series, with commas between them.')}
          placeholder="team=shop, env=test"
          disabled={disabled}
          value={labels}
          problem={labelsProblem(labels)}
          onChange={(text) => {
            setLabels(text);
            if (labelsProblem(text) === undefined) {
              change({ labels: readLabels(text) });
            }
          }}
        />
      )}
      <DurationField
        label={t('config.target.interval', 'Interval')}
        description={t('config.target.interval-description', 'How often it is scraped.')}
        placeholder={String(settings.jsonData.timeInterval ?? '15s')}
        disabled={disabled}
        value={target.interval}
        onChange={(interval) => change({ interval })}
      />
      <DurationField
        label={t('config.target.timeout', 'Timeout')}
        description={t('config.target.timeout-description', 'How long a scrape may take; at most the interval.')}
        placeholder={settings.jsonData.scrapeTimeout ?? '10s'}
        disabled={disabled}
        value={target.timeout}
        onChange={(timeout) => change({ timeout })}
      />
      <AuthFields settings={settings} target={target} onChange={onChange} />
      <TlsFields settings={settings} target={target} onChange={onChange} />
      <RulesField
        uid={settings.uid}
        label={t('config.target.relabel', 'Relabelling of targets')}
        description={t(
          'config.target.relabel-description',
          'YAML, as Prometheus’s relabel_configs: which targets are scraped, and what their labels are.'
        )}
        placeholder={'- source_labels: [__address__]\n  regex: "(.*):\\\\d+"\n  target_label: host'}
        disabled={disabled}
        rules={target.relabel}
        onChange={(relabel) => change({ relabel })}
      />
      <RulesField
        uid={settings.uid}
        label={t('config.target.metric-relabel', 'Relabelling of metrics')}
        description={t(
          'config.target.metric-relabel-description',
          'YAML, as Prometheus’s metric_relabel_configs: which series are kept, and what their labels are.'
        )}
        placeholder={'- action: drop\n  source_labels: [__name__]\n  regex: go_gc_.*'}
        disabled={disabled}
        rules={target.metricRelabel}
        onChange={(metricRelabel) => change({ metricRelabel })}
      />
    </>
  );
}

function DnsFields({
  target,
  disabled,
  onChange,
}: {
  target: TargetOptions;
  disabled?: boolean;
  onChange: (change: Partial<TargetOptions>) => void;
}) {
  const dns = target.dns ?? {};
  const type = dns.type ?? 'SRV';
  return (
    <>
      <TextField
        label={t('config.target.dns-names', 'Names')}
        description={t('config.target.dns-names-description', 'The DNS names to look up, with commas between them.')}
        placeholder="tasks.wiki"
        required
        disabled={disabled}
        value={dns.names?.join(', ')}
        onChange={(text) => onChange({ dns: { ...dns, names: parts(text) } })}
      />
      <ChoiceField
        label={t('config.target.dns-type', 'Record')}
        description={t('config.target.dns-type-description', 'Which records hold the targets.')}
        value={type}
        disabled={disabled}
        options={[
          { value: 'A', label: 'A', description: t('config.target.dns-a', 'IPv4 addresses') },
          { value: 'AAAA', label: 'AAAA', description: t('config.target.dns-aaaa', 'IPv6 addresses') },
          { value: 'SRV', label: 'SRV', description: t('config.target.dns-srv', 'Names with their ports') },
        ]}
        onChange={(chosen) => onChange({ dns: { ...dns, type: chosen } })}
      />
      {type !== 'SRV' && (
        <NumberField
          label={t('config.target.dns-port', 'Port')}
          description={t(
            'config.target.dns-port-description',
            'The port of the metrics page, which such records do not name.'
          )}
          placeholder="9100"
          required
          disabled={disabled}
          value={dns.port}
          onChange={(port) =>
            onChange({ dns: { ...dns, port: /^\d+$/.test(port) ? Number(port) : port || undefined } })
          }
        />
      )}
    </>
  );
}

function AuthFields({ settings, target, onChange }: Props) {
  const disabled = settings.readOnly;
  const method = target.basicAuth ? 'basic' : target.bearerTokenSecret !== undefined ? 'bearer' : 'none';
  const secret = (name: string | undefined, label: string, description: string) =>
    name !== undefined && (
      <SecretField
        label={label}
        description={description}
        stored={Boolean(settings.secureJsonFields?.[name])}
        value={settings.secureJsonData?.[name]}
        placeholder=""
        disabled={disabled}
        onChange={(text) => onChange(target, withSecret(settings, name, text))}
        onReset={() => onChange(target, withoutSecret(settings, name))}
      />
    );
  const select = (chosen: typeof method) => {
    const { basicAuth, bearerTokenSecret, ...rest } = target;
    const old = basicAuth?.passwordSecret ?? bearerTokenSecret;
    const left = old && settings.secureJsonFields?.[old] ? withoutSecret(settings, old) : settings;
    if (chosen === 'basic') {
      onChange({ ...rest, basicAuth: { username: '', passwordSecret: freeSecretName(left, 'Password') } }, left);
    } else if (chosen === 'bearer') {
      onChange({ ...rest, bearerTokenSecret: freeSecretName(left, 'Token') }, left);
    } else {
      onChange(rest, left);
    }
  };
  return (
    <>
      <ChoiceField<typeof method>
        label={t('config.target.auth', 'Access')}
        description={t(
          'config.target.auth-description',
          'What this target asks for. The data source’s own credentials go to its first page only.'
        )}
        value={method}
        disabled={disabled}
        options={[
          { value: 'none', label: t('config.target.auth-none', 'Nothing') },
          { value: 'basic', label: t('config.target.auth-basic', 'User and password') },
          { value: 'bearer', label: t('config.target.auth-bearer', 'API key or bearer token') },
        ]}
        onChange={select}
      />
      {method === 'basic' && (
        <>
          <TextField
            label={t('config.target.user', 'User')}
            description={t('config.target.user-description', 'The name to log in with.')}
            disabled={disabled}
            value={target.basicAuth?.username}
            onChange={(username) => onChange({ ...target, basicAuth: { ...target.basicAuth, username } })}
          />
          {secret(
            target.basicAuth?.passwordSecret,
            t('config.target.password', 'Password'),
            t('config.target.password-description', 'Stored encrypted, and never shown again.')
          )}
        </>
      )}
      {method === 'bearer' &&
        secret(
          target.bearerTokenSecret,
          t('config.target.token', 'Token'),
          t(
            'config.target.token-description',
            'Sent as “Authorization: Bearer …”. Stored encrypted, and never shown again.'
          )
        )}
    </>
  );
}

function TlsFields({ settings, target, onChange }: Props) {
  const disabled = settings.readOnly;
  const tls = target.tls ?? {};
  const change = (keys: Partial<NonNullable<TargetOptions['tls']>>, other?: Settings) => {
    const kept = Object.fromEntries(
      Object.entries({ ...tls, ...keys }).filter(([, value]) => value !== undefined && value !== '' && value !== false)
    );
    onChange(withKeys(target, { tls: Object.keys(kept).length > 0 ? kept : undefined }), other);
  };
  const isHttps = target.scheme === 'https' || target.url?.startsWith('https:');
  if (!isHttps && !target.tls) {
    return null;
  }
  return (
    <>
      <TextField
        label={t('config.target.ca', 'CA certificate')}
        description={t(
          'config.target.ca-description',
          'PEM of the authority that signed the target’s certificate, where the system does not know it.'
        )}
        placeholder="-----BEGIN CERTIFICATE-----"
        disabled={disabled}
        value={tls.ca}
        onChange={(ca) => change({ ca })}
      />
      <TextField
        label={t('config.target.server-name', 'Server name')}
        description={t(
          'config.target.server-name-description',
          'The name that the target’s certificate carries, where it is not the address’s.'
        )}
        disabled={disabled}
        value={tls.serverName}
        onChange={(serverName) => change({ serverName })}
      />
      <TextField
        label={t('config.target.cert', 'Client certificate')}
        description={t('config.target.cert-description', 'PEM, where the target asks for one.')}
        placeholder="-----BEGIN CERTIFICATE-----"
        disabled={disabled}
        value={tls.cert}
        onChange={(cert) =>
          change({ cert, keySecret: cert ? (tls.keySecret ?? freeSecretName(settings, 'Key')) : undefined })
        }
      />
      {tls.keySecret !== undefined && (
        <SecretField
          label={t('config.target.key', 'Client key')}
          description={t(
            'config.target.key-description',
            'PEM of the client certificate’s key. Stored encrypted, and never shown again.'
          )}
          lines
          stored={Boolean(settings.secureJsonFields?.[tls.keySecret])}
          value={settings.secureJsonData?.[tls.keySecret]}
          placeholder="-----BEGIN PRIVATE KEY-----"
          disabled={disabled}
          onChange={(text) => onChange(target, withSecret(settings, tls.keySecret ?? '', text))}
          onReset={() => onChange(target, withoutSecret(settings, tls.keySecret ?? ''))}
        />
      )}
      <SwitchField
        label={t('config.target.skip-verify', 'Skip TLS verification')}
        description={t(
          'config.target.skip-verify-description',
          'Accept any certificate, also a forged one. Only for testing.'
        )}
        value={tls.skipVerify ?? false}
        disabled={disabled}
        onChange={(skipVerify) => change({ skipVerify })}
      />
    </>
  );
}
