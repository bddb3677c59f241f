/** Fields of the settings: each has a label, says what it is for, and shows what holds when it is empty. */
import { Combobox, Field, Input, SecretInput, SecretTextArea, Switch } from '@grafana/ui';
import { useId } from 'react';

import { durationProblem } from '../duration';
import { t } from '../translate';

export const FIELD_WIDTH = 50;
const SHORT_WIDTH = 20;

interface FieldProps {
  label: string;
  description: string;
  disabled?: boolean;
}

interface TextFieldProps extends FieldProps {
  value: string | number | undefined;
  placeholder?: string;
  short?: boolean;
  required?: boolean;
  /** What is wrong with the text. */
  problem?: string;
  onChange: (text: string) => void;
  onBlur?: () => void;
}

export function TextField(props: TextFieldProps) {
  const id = useId();
  const { label, description, disabled, value, placeholder, short, required, problem, onChange, onBlur } = props;
  return (
    <Field
      label={label}
      description={description}
      htmlFor={id}
      required={required}
      invalid={problem !== undefined}
      error={problem}
      disabled={disabled}
    >
      <Input
        id={id}
        width={short ? SHORT_WIDTH : FIELD_WIDTH}
        value={value ?? ''}
        placeholder={placeholder}
        required={required}
        onChange={(event) => onChange(event.currentTarget.value)}
        onBlur={onBlur}
      />
    </Field>
  );
}

export function DurationField(props: Omit<TextFieldProps, 'short' | 'problem'>) {
  return <TextField {...props} short problem={durationProblem(String(props.value ?? ''))} />;
}

/** A whole number, or a size such as `64MB` where `sizes` are taken. */
export function NumberField({ sizes, ...props }: Omit<TextFieldProps, 'short' | 'problem'> & { sizes?: boolean }) {
  const text = String(props.value ?? '').trim();
  const right = sizes ? /^\d+(\.\d+)?\s*([KMGTPE]i?B?|B)?$/i : /^\d+$/;
  const example = sizes ? '512MB' : '1000';
  const problem =
    text === '' || right.test(text)
      ? undefined
      : t('config.number-problem', 'Write a number such as {{example}}.', { example });
  return <TextField {...props} short problem={problem} />;
}

interface ChoiceFieldProps<T extends string> extends FieldProps {
  value: T;
  options: Array<{ value: T; label: string; description?: string }>;
  onChange: (value: T) => void;
}

export function ChoiceField<T extends string>(props: ChoiceFieldProps<T>) {
  const id = useId();
  const { label, description, disabled, value, options, onChange } = props;
  return (
    <Field label={label} description={description} htmlFor={id} disabled={disabled}>
      <Combobox
        id={id}
        width={FIELD_WIDTH}
        options={options}
        value={value}
        onChange={(option) => onChange(option.value)}
      />
    </Field>
  );
}

interface SwitchFieldProps extends FieldProps {
  value: boolean;
  onChange: (on: boolean) => void;
}

export function SwitchField({ label, description, disabled, value, onChange }: SwitchFieldProps) {
  const id = useId();
  return (
    <Field label={label} description={description} htmlFor={id} disabled={disabled}>
      <Switch id={id} value={value} onChange={(event) => onChange(event.currentTarget.checked)} />
    </Field>
  );
}

interface SecretFieldProps extends FieldProps {
  /** Whether one is stored. */
  stored: boolean;
  value: string | undefined;
  placeholder: string;
  /** Several lines, as certificates and keys have. */
  lines?: boolean;
  onChange: (text: string) => void;
  onReset: () => void;
}

/** A secret that can be typed and replaced, never read. */
export function SecretField(props: SecretFieldProps) {
  const id = useId();
  const { label, description, disabled, stored, value, placeholder, lines, onChange, onReset } = props;
  const shared = { id, isConfigured: stored, value: value ?? '', placeholder, onReset };
  return (
    <Field label={label} description={description} htmlFor={id} disabled={disabled}>
      {disabled && stored ? (
        // What cannot be changed offers no reset.
        <Input id={id} type="password" width={FIELD_WIDTH} value="configured" disabled />
      ) : lines ? (
        <SecretTextArea
          {...shared}
          cols={FIELD_WIDTH}
          rows={5}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      ) : (
        <SecretInput
          {...shared}
          width={FIELD_WIDTH}
          autoComplete="new-password"
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
