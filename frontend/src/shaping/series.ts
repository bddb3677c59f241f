/** The series in an answer's frames. */
import type { DataFrame, Field } from '@grafana/data';

/** The name of values that have none of their own, as the Prometheus data source gives it. */
export const VALUE = 'Value';

/** A frame of the backend that holds one series. */
export interface Series {
  frame: DataFrame;
  time: Field;
  /** Its labels are the series's. */
  value: Field;
}

/** `undefined` for the frame of an empty answer, which may carry notices. */
export function seriesOf(frame: DataFrame): Series | undefined {
  const [time, value] = frame.fields;
  return time && value && { frame, time, value };
}

/** Some of a kind, at least one. */
export type Group<T> = [T, ...T[]];

/** Items of the same key together, in the order in which keys first appear. */
export function groupedBy<T, K>(items: Iterable<T>, key: (item: T) => K): Map<K, Group<T>> {
  const groups = new Map<K, Group<T>>();
  for (const item of items) {
    const known = groups.get(key(item));
    if (known) {
      known.push(item);
    } else {
      groups.set(key(item), [item]);
    }
  }
  return groups;
}
