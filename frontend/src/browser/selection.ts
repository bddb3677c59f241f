/** What was chosen in the metrics browser, and the selector that it stands for. */
import { escapeRegex } from '../interpolation';
import { holding, type LabelFilter, renderSelector, type SeriesSource } from '../promql/model';

export interface ChosenLabel {
  label: string;
  values: string[];
}

export interface Selection {
  metric: string;
  /** The labels whose values are shown, in the order in which they were chosen. */
  labels: ChosenLabel[];
}

/** The selection that a query's first selector stands for, as far as values were compared letter by letter. */
export function selectionOf({ metric, labels }: SeriesSource): Selection {
  const chosen = labels.filter(({ label, operator, value }) => label && operator === '=' && !value.includes('$'));
  return {
    metric: metric.includes('$') ? '' : metric,
    labels: chosen.map(({ label, value }) => ({ label, values: [value] })),
  };
}

/** The series that a selection takes. */
export function sourceOf({ metric, labels }: Selection): SeriesSource {
  return {
    kind: 'series',
    metric,
    labels: labels.flatMap(({ label, values }): LabelFilter[] => {
      const [only] = values;
      if (only === undefined) {
        return [];
      }
      return values.length === 1
        ? [{ label, operator: '=', value: only }]
        : [{ label, operator: '=~', value: values.map(escapeRegex).join('|') }];
    }),
  };
}

/** The selector as PromQL; empty where nothing is chosen. */
export function selectorOf(selection: Selection): string {
  return renderSelector(sourceOf(selection));
}

/**
 * The selector under which the values of one label are looked up: what else is chosen, and that the
 * value holds the letters that were typed. The server compares, so the number of values is no matter.
 */
export function valueSelector(selection: Selection, label: string, letters: string): string {
  const source = sourceOf({ ...selection, labels: selection.labels.filter((chosen) => chosen.label !== label) });
  const wanted: LabelFilter = letters ? holding(label, letters) : { label, operator: '!=', value: '' };
  return renderSelector({ ...source, labels: [...source.labels, wanted] });
}

export function withLabel(selection: Selection, label: string): Selection {
  const known = selection.labels.some((chosen) => chosen.label === label);
  return {
    ...selection,
    labels: known
      ? selection.labels.filter((chosen) => chosen.label !== label)
      : [...selection.labels, { label, values: [] }],
  };
}

export function withValue(selection: Selection, label: string, value: string): Selection {
  return {
    ...selection,
    labels: selection.labels.map((chosen) => {
      if (chosen.label !== label) {
        return chosen;
      }
      const values = chosen.values.includes(value)
        ? chosen.values.filter((other) => other !== value)
        : [...chosen.values, value];
      return { label, values };
    }),
  };
}
