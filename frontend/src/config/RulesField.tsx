/** Relabelling rules as YAML. The backend reads them; a text with mistakes changes nothing. */
import { Field, TextArea } from '@grafana/ui';
import { useEffect, useId, useRef, useState } from 'react';

import { t } from '../translate';
import type { RelabelRule } from '../types';
import { failureText, readRules, type RulesMistake } from './drafts';
import { FIELD_WIDTH } from './fields';
import { rulesText } from './rules_text';

interface Props {
  uid: string;
  label: string;
  description: string;
  placeholder: string;
  rules: RelabelRule[] | undefined;
  disabled?: boolean;
  onChange: (rules: RelabelRule[] | undefined) => void;
}

/** How long after the last key the text is read. */
const PAUSE_MS = 400;

export function RulesField({ uid, label, description, placeholder, rules, disabled, onChange }: Props) {
  const id = useId();
  const [text, setText] = useState(() => rulesText(rules));
  const [mistakes, setMistakes] = useState<RulesMistake[]>([]);
  const newest = useRef(text);
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(pause.current), []);

  const read = async (yaml: string) => {
    let found;
    try {
      found = await readRules(uid, yaml);
    } catch (error) {
      found = { mistakes: [{ line: 1, reason: failureText(error) }] };
    }
    // An answer to an older text says nothing about this one.
    if (newest.current !== yaml) {
      return;
    }
    setMistakes(found.mistakes ?? []);
    if (found.rules) {
      onChange(found.rules.length > 0 ? found.rules : undefined);
    }
  };
  const change = (yaml: string) => {
    setText(yaml);
    newest.current = yaml;
    clearTimeout(pause.current);
    pause.current = setTimeout(() => void read(yaml), PAUSE_MS);
  };

  const problem =
    mistakes.length > 0 ? (
      <>
        {mistakes.map(({ line, reason }) => (
          <div key={`${line} ${reason}`}>
            {t('config.rules.mistake', 'Line {{line}}: {{reason}}', {
              line,
              reason,
            })}
          </div>
        ))}
        <div>{t('config.rules.not-taken', 'These rules are not taken until every line is right.')}</div>
      </>
    ) : undefined;
  return (
    <Field
      label={label}
      description={description}
      htmlFor={id}
      invalid={mistakes.length > 0}
      error={problem}
      disabled={disabled}
    >
      <TextArea
        id={id}
        cols={FIELD_WIDTH}
        rows={Math.min(12, Math.max(4, text.split('\n').length))}
        spellCheck={false}
        style={{ fontFamily: 'monospace', maxWidth: 600 }}
        value={text}
        placeholder={placeholder}
        onChange={(event) => change(event.currentTarget.value)}
      />
    </Field>
  );
}
