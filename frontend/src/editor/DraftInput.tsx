/** A one-line input that tells its text when it is left or Enter is pressed, not at every key. */
import { Input } from '@grafana/ui';
import type { ComponentProps, KeyboardEvent } from 'react';

import { useDraft } from './draft';

export interface Props extends Omit<
  ComponentProps<typeof Input>,
  'value' | 'onChange' | 'onBlur' | 'onKeyDown' | 'ref'
> {
  value: string;
  onCommit: (text: string) => void;
}

export function DraftInput({ value, onCommit, ...inputProps }: Props) {
  const [draft, setDraft] = useDraft(value);
  const commit = () => {
    if (draft !== value) {
      onCommit(draft);
    }
  };
  const commitOnEnter = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      commit();
    }
  };
  return (
    <Input
      {...inputProps}
      value={draft}
      onChange={(event) => setDraft(event.currentTarget.value)}
      onBlur={commit}
      onKeyDown={commitOnEnter}
    />
  );
}
