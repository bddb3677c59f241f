import { render } from '@testing-library/react';
import { type ReactElement, useState } from 'react';

/** Shows an editor as Grafana does, which hands every change back in, and returns the newest value. */
export function renderHeld<T>(first: T, show: (value: T, onChange: (changed: T) => void) => ReactElement): () => T {
  let newest = first;
  function Holder() {
    const [value, setValue] = useState(first);
    return show(value, (changed) => {
      newest = changed;
      setValue(changed);
    });
  }
  render(<Holder />);
  return () => newest;
}
