/** Targets beyond the first page. */
import { Button, CollapsableSection, Stack, Text } from '@grafana/ui';
import { useState } from 'react';

import { t } from '../../translate';
import type { TargetOptions } from '../../types';
import { type Settings, type SettingsProps, withOptions, withoutSecret } from '../settings';
import { TryIt } from '../TryIt';
import { asTarget, secretsOf, titleOf } from './target_entry';
import { TargetForm } from './TargetForm';

export function Targets({ settings, onChange }: SettingsProps) {
  const entries = settings.jsonData.targets ?? [];
  const [added, setAdded] = useState(-1);
  const put = (targets: Array<string | TargetOptions>, other: Settings = settings) =>
    onChange(withOptions(other, { targets: targets.length > 0 ? targets : undefined }));
  const remove = (index: number) => {
    const names = secretsOf(asTarget(entries[index] ?? {}));
    const left = names.reduce(
      (without, name) => (without.secureJsonFields?.[name] ? withoutSecret(without, name) : without),
      settings
    );
    put(
      entries.filter((_, at) => at !== index),
      left
    );
  };
  return (
    <Stack direction="column" gap={1}>
      {entries.map((entry, index) => {
        const target = asTarget(entry);
        const title = titleOf(target) || t('config.targets.new', 'New target');
        return (
          // Entries have no names of their own; their place is what tells them apart.
          <div key={`${index} of ${entries.length}`} role="group" aria-label={title}>
            <CollapsableSection
              isOpen={index === added}
              label={
                <Stack direction="row" alignItems="center" gap={1}>
                  <Text element="h5" truncate>
                    {title}
                  </Text>
                </Stack>
              }
            >
              <TargetForm
                settings={settings}
                target={target}
                onChange={(changed, other) =>
                  put(
                    entries.map((before, at) => (at === index ? changed : before)),
                    other
                  )
                }
              />
              <Stack direction="row" gap={1} alignItems="flex-start">
                <div style={{ flexGrow: 1 }}>
                  <TryIt settings={settings} entry={index} disabled={settings.readOnly && !settings.uid} />
                </div>
                {!settings.readOnly && (
                  <Button
                    type="button"
                    variant="destructive"
                    fill="outline"
                    icon="trash-alt"
                    onClick={() => remove(index)}
                  >
                    {t('config.targets.remove', 'Remove target')}
                  </Button>
                )}
              </Stack>
            </CollapsableSection>
          </div>
        );
      })}
      {!settings.readOnly && (
        <div>
          <Button
            type="button"
            variant="secondary"
            icon="plus"
            onClick={() => {
              setAdded(entries.length);
              put([...entries, { url: '' }]);
            }}
          >
            {t('config.targets.add', 'Add a target')}
          </Button>
        </div>
      )}
    </Stack>
  );
}
