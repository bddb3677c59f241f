/** Names a field for who hears the page: Grafana's combobox takes the name of an element, no text. */
import { css } from '@emotion/css';
import { type ReactNode, useId } from 'react';

export interface Props {
  name: string;
  children: (field: { id: string; 'aria-labelledby': string }) => ReactNode;
}

export function Named({ name, children }: Props) {
  const id = useId();
  return (
    <>
      <label id={`${id}-name`} htmlFor={id} className={hidden}>
        {name}
      </label>
      {children({ id, 'aria-labelledby': `${id}-name` })}
    </>
  );
}

/** Out of sight, and still read aloud. */
const hidden = css({
  position: 'absolute',
  width: 1,
  height: 1,
  overflow: 'hidden',
  clipPath: 'inset(50%)',
  whiteSpace: 'nowrap',
});
