/** Chooses how series are named: by Grafana, with all their labels, or by a template. */
import { InlineField, RadioButtonGroup, Stack } from '@grafana/ui';
import { useState } from 'react';

import { AUTO_LEGEND } from '../query';
import { t } from '../translate';
import { DraftInput } from './DraftInput';

type LegendMode = 'auto' | 'verbose' | 'custom';

export interface Props {
  id: string;
  /** `__auto`, empty for verbose, or a template such as `{{instance}}`. */
  value: string;
  onCommit: (legendFormat: string) => void;
}

export function LegendField({ id, value, onCommit }: Props) {
  // Custom with an empty template would be saved as verbose, so the wish for it is kept here.
  const [customWanted, setCustomWanted] = useState(false);
  const saved = savedMode(value);
  const mode: LegendMode = customWanted ? 'custom' : saved;

  const modes: Array<{ value: LegendMode; label: string; description: string }> = [
    {
      value: 'auto',
      label: t('legend.auto', 'Auto'),
      description: t('legend.auto-description', 'Only the labels that differ'),
    },
    {
      value: 'verbose',
      label: t('legend.verbose', 'Verbose'),
      description: t('legend.verbose-description', 'The metric and all labels'),
    },
    {
      value: 'custom',
      label: t('legend.custom', 'Custom'),
      description: t('legend.custom-description', 'A template of your own'),
    },
  ];
  const choose = (chosen: LegendMode) => {
    setCustomWanted(chosen === 'custom');
    if (chosen !== 'custom') {
      onCommit(chosen === 'auto' ? AUTO_LEGEND : '');
    }
  };

  return (
    <Stack direction="row" gap={0}>
      <InlineField label={t('legend.label', 'Legend')}>
        <RadioButtonGroup aria-label={t('legend.label', 'Legend')} options={modes} value={mode} onChange={choose} />
      </InlineField>
      {mode === 'custom' && (
        <DraftInput
          id={id}
          aria-label={t('legend.template', 'Legend template')}
          width={24}
          placeholder="{{instance}}"
          value={saved === 'custom' ? value : ''}
          autoFocus={customWanted && saved !== 'custom'}
          onCommit={(template) => {
            setCustomWanted(false);
            onCommit(template);
          }}
        />
      )}
    </Stack>
  );
}

function savedMode(value: string): LegendMode {
  return value === AUTO_LEGEND ? 'auto' : value === '' ? 'verbose' : 'custom';
}
