/** A text under its key: the translation, or the English that stands in the code. */
import { t as translate } from '@grafana/i18n';

/**
 * `values` are put in as they are. The library would write them as HTML, and React shows them as
 * text: `/metrics` would read `&#x2F;metrics`.
 */
export const t: typeof translate = (key, english, values) =>
  translate(key, english, values && { ...values, interpolation: { escapeValue: false } });
