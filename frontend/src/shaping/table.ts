/** One table of all series that a query answered with. */
import { type DataFrame, type Field, FieldType, sortDataFrame, TIME_SERIES_TIME_FIELD_NAME } from '@grafana/data';

import { bucketBound } from './bucket';
import { type Group, groupedBy, seriesOf, VALUE } from './series';

/**
 * A table for each refId: time, a column for each label of any of its series, and the value. Labels
 * stand in the order of their names, those of the first series before what others add; rows stand
 * in the order of time, and those of one time in the order of the series.
 *
 * With several queries the value columns are told apart as `Value #A`; dashboards name them so in
 * their overrides and transformations.
 */
export function tables(frames: DataFrame[]): DataFrame[] {
  if (frames.every((frame) => frame.length === 0)) {
    return frames;
  }
  const byRefId = groupedBy(frames, ({ refId }) => refId);
  return [...byRefId].map(([refId, group]) => table(group, byRefId.size > 1 ? `${VALUE} #${refId}` : VALUE));
}

function table(frames: Group<DataFrame>, valueName: string): DataFrame {
  const all = frames.flatMap((frame) => seriesOf(frame) ?? []);
  const time: Field = { name: TIME_SERIES_TIME_FIELD_NAME, type: FieldType.time, config: {}, values: [] };
  const value: Field = { name: valueName, type: all[0]?.value.type ?? FieldType.number, config: {}, values: [] };
  const names = new Set(all.flatMap((series) => Object.keys(series.value.labels ?? {}).sort()));
  const columns = [...names].map((name): Field => {
    const type = name === 'le' ? FieldType.number : FieldType.string;
    return { name, type, config: { filterable: true }, values: [] };
  });
  for (const series of all) {
    const { length } = series.frame;
    for (let row = 0; row < length; row++) {
      time.values.push(series.time.values[row]);
      value.values.push(series.value.values[row]);
    }
    for (const column of columns) {
      const label = series.value.labels?.[column.name] ?? '';
      const cell = column.type === FieldType.number ? bucketBound(label) : label;
      for (let row = 0; row < length; row++) {
        column.values.push(cell);
      }
    }
  }
  // The frames' type says one series a frame, which a table is not.
  const { type: _type, typeVersion: _typeVersion, ...meta } = frames[0].meta ?? {};
  const rows = { refId: frames[0].refId, meta, length: time.values.length, fields: [time, ...columns, value] };
  // Instant answers, which most tables are, have one time.
  const inOrder = time.values.every((at, row) => row === 0 || time.values[row - 1] <= at);
  return inOrder ? rows : sortDataFrame(rows, 0);
}
