/** What a list of choices shows of names or values that were looked up. */
import type { ComboboxOption } from '@grafana/ui';

import type { Limited } from '../resources';

/** The row that says that there are more; it is no choice. */
const MORE = '\0more';

/**
 * The names that hold the letters typed so far; where a limit cut the list, `more` says so below them.
 *
 * A look-up that fails offers nothing: what is typed can be taken all the same.
 */
export async function choices(
  found: Promise<Limited<string>>,
  typed: string,
  more: (listed: number) => string
): Promise<ComboboxOption[]> {
  const { entries, truncated } = await found.catch((): Limited<string> => ({ entries: [], truncated: false }));
  const letters = typed.toLowerCase();
  const fitting = entries.filter((name) => name.toLowerCase().includes(letters));
  return [
    ...fitting.map((value) => ({ value, label: value })),
    ...(truncated ? [{ value: MORE, label: more(entries.length), infoOption: true }] : []),
  ];
}

/** Whether an option can be taken: the keys get to the row that cannot, too. */
export function isChoice({ value }: ComboboxOption): boolean {
  return value !== MORE;
}
