/** Links from an exemplar to its trace. */
import { DataSourcePicker } from '@grafana/runtime';
import { Button, Field, Stack } from '@grafana/ui';
import { useId } from 'react';

import { t } from '../translate';
import type { ExemplarTraceIdDestination } from '../types';
import { ChoiceField, TextField } from './fields';
import { type SettingsProps, withOptions } from './settings';

export function ExemplarLinks({ settings, onChange }: SettingsProps) {
  const links = settings.jsonData.exemplarTraceIdDestinations ?? [];
  const put = (changed: ExemplarTraceIdDestination[]) =>
    onChange(withOptions(settings, { exemplarTraceIdDestinations: changed.length > 0 ? changed : undefined }));
  return (
    <Stack direction="column" gap={2}>
      {links.map((link, index) => (
        <div
          key={`${index} of ${links.length}`}
          role="group"
          aria-label={t('config.exemplars.link', 'Link {{number}}', { number: index + 1 })}
        >
          <LinkFields
            link={link}
            disabled={settings.readOnly}
            onChange={(changed) => put(links.map((before, at) => (at === index ? changed : before)))}
          />
          {!settings.readOnly && (
            <Button
              type="button"
              variant="destructive"
              fill="outline"
              icon="trash-alt"
              onClick={() => put(links.filter((_, at) => at !== index))}
            >
              {t('config.exemplars.remove', 'Remove link')}
            </Button>
          )}
        </div>
      ))}
      {!settings.readOnly && (
        <div>
          <Button
            type="button"
            variant="secondary"
            icon="plus"
            onClick={() => put([...links, { name: 'trace_id', datasourceUid: '' }])}
          >
            {t('config.exemplars.add', 'Add a link')}
          </Button>
        </div>
      )}
    </Stack>
  );
}

function LinkFields({
  link,
  disabled,
  onChange,
}: {
  link: ExemplarTraceIdDestination;
  disabled?: boolean;
  onChange: (link: ExemplarTraceIdDestination) => void;
}) {
  const id = useId();
  const { url: _url, datasourceUid: _uid, ...rest } = link;
  const internal = link.datasourceUid !== undefined;
  return (
    <>
      <ChoiceField
        label={t('config.exemplars.to', 'Leads to')}
        description={t('config.exemplars.to-description', 'Where traces are kept.')}
        value={internal ? 'data-source' : 'url'}
        disabled={disabled}
        options={[
          {
            value: 'data-source',
            label: t('config.exemplars.to-data-source', 'A tracing data source of this Grafana'),
          },
          { value: 'url', label: t('config.exemplars.to-url', 'An address') },
        ]}
        onChange={(to) => onChange(to === 'url' ? { ...rest, url: '' } : { ...rest, datasourceUid: '' })}
      />
      {internal ? (
        <Field
          label={t('config.exemplars.data-source', 'Data source')}
          description={t('config.exemplars.data-source-description', 'The data source that shows the trace.')}
          htmlFor={id}
          disabled={disabled}
        >
          <DataSourcePicker
            inputId={id}
            tracing
            noDefault
            width={50}
            disabled={disabled}
            current={link.datasourceUid}
            onChange={({ uid }) => onChange({ ...rest, datasourceUid: uid })}
          />
        </Field>
      ) : (
        <TextField
          label={t('config.exemplars.url', 'URL')}
          description={t('config.exemplars.url-description', 'The trace’s page; ${__value.raw} stands for its id.')}
          placeholder="https://traces.example.com/trace/${__value.raw}"
          disabled={disabled}
          value={link.url}
          onChange={(url) => onChange({ ...rest, url })}
        />
      )}
      <TextField
        label={t('config.exemplars.text', 'Text of the link')}
        description={t('config.exemplars.text-description', 'What stands on the link.')}
        placeholder={t('config.exemplars.text-default', 'The data source’s name, or the address')}
        disabled={disabled}
        value={link.urlDisplayLabel}
        onChange={(urlDisplayLabel) => onChange({ ...link, urlDisplayLabel: urlDisplayLabel || undefined })}
      />
      <TextField
        label={t('config.exemplars.name', 'Label')}
        description={t('config.exemplars.name-description', 'The exemplar’s label that holds the id of the trace.')}
        placeholder="trace_id"
        disabled={disabled}
        value={link.name}
        onChange={(name) => onChange({ ...link, name })}
      />
    </>
  );
}
