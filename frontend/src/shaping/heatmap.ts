/** The rows of a heatmap from the buckets of classic histograms. */
import { type DataFrame, DataFrameType, type Field, FieldType, getFieldDisplayName } from '@grafana/data';

import { bucketBound } from './bucket';
import { type Group, groupedBy, type Series, seriesOf } from './series';

/**
 * A frame of rows for each refId and each histogram in it: a time field, and a field per bucket,
 * from the lowest bound to the highest.
 *
 * Buckets of a classic histogram are cumulative: each counts what all below it count. A row holds
 * what is new in its bucket. Series without an `le` label are rows as they are, all of a query in one
 * heatmap.
 */
export function heatmapRows(frames: DataFrame[]): DataFrame[] {
  const empty = frames.filter((frame) => !seriesOf(frame));
  const histograms = groupedBy(
    frames.flatMap((frame) => seriesOf(frame) ?? []),
    ({ frame, value }) => {
      const { le, ...others } = value.labels ?? {};
      return JSON.stringify([frame.refId, le === undefined ? null : Object.entries(others).sort()]);
    }
  );
  return [...[...histograms.values()].map(rows), ...empty];
}

/** A bucket's value at a time: NaN is a value, `null` none. */
type Count = number | null;

interface Bucket {
  field: Field;
  /** NaN for what is no bucket. */
  bound: number;
  at: Map<number, Count>;
}

function bucketOf({ frame, time, value }: Series): Bucket {
  const at = new Map<number, Count>();
  for (let row = 0; row < frame.length; row++) {
    at.set(time.values[row], value.values[row]);
  }
  return { field: value, bound: bucketBound(value.labels?.le ?? ''), at };
}

function rows(histogram: Group<Series>): DataFrame {
  const buckets = histogram.map(bucketOf).sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0));
  const times = [...new Set(buckets.flatMap(({ at }) => [...at.keys()]))].sort((a, b) => a - b);
  const below = new Map<number, number>();
  const fields = buckets.map(({ field, bound, at }): Field => {
    const values = times.map((time): Count => {
      const value = at.get(time) ?? null;
      if (value === null || Number.isNaN(value) || Number.isNaN(bound)) {
        return value;
      }
      const inBucket = value - (below.get(time) ?? 0);
      below.set(time, value);
      // Rates of buckets may differ in their last digits, and no bucket holds less than nothing.
      return Math.max(inBucket, 0);
    });
    return rowField(field, values);
  });
  const [{ frame, time }] = histogram;
  return {
    refId: frame.refId,
    name: frame.name,
    meta: { ...frame.meta, type: DataFrameType.HeatmapRows },
    length: times.length,
    fields: [{ ...time, values: times }, ...fields],
  };
}

/**
 * The panel reads a row's bound from the field's name, and matches exemplars by the field's first
 * label: the bound stands in both places.
 */
function rowField(field: Field, values: Count[]): Field {
  const { le, ...others } = field.labels ?? {};
  if (le === undefined) {
    return { ...field, name: getFieldDisplayName(field), values };
  }
  return {
    ...field,
    type: FieldType.number,
    name: le,
    labels: { le, ...others },
    config: { ...field.config, displayNameFromDS: le },
    values,
  };
}
