/** Chooses how series are named: by Grafana, with all their labels, or by a template. */
import { InlineField, RadioButtonGroup, Stack } from '@grafana/ui';
import { useState } from 'react';

import { AUTO_LEGEND } from '../query';
import { DraftInput } from './DraftInput';

type LegendMode = 'auto' | 'verbose' | 'custom';

const MODES: Array<{ value: LegendMode; label: string; description: string }> = [
  { value: 'auto', label: 'Auto', description: 'Only the labels that differ' },
  { value: 'verbose', label: 'Verbose', description: 'The metric and all labels' },
  { value: 'custom', label: 'Custom', description: 'A template of your own' },
];

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

  const choose = (chosen: LegendMode) => {
    setCustomWanted(chosen === 'custom');
    if (chosen !== 'custom') {
      onCommit(chosen === 'auto' ? AUTO_LEGEND : '');
    }
  };

  return (
    <Stack direction="row" gap={0}>
      <InlineField label="Legend">
        <RadioButtonGroup aria-label="Legend" options={MODES} value={mode} onChange={choose} />
      </InlineField>
      {mode === 'custom' && (
        <DraftInput
          id={id}
          aria-label="Legend template"
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
