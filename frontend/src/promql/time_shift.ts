/** Checks what stands behind `offset` and `@` (Prometheus, "Offset modifier" and "@ modifier"). */
import { durationProblem } from '../duration';
import { t } from '../translate';

/** What is wrong with an offset, in words; empty is none, and a minus sign looks ahead. */
export function offsetProblem(text: string): string | undefined {
  return durationProblem(text.replace(/^-\s*/, ''));
}

/** What is wrong with the time behind an `@`, in words. */
export function atProblem(text: string): string | undefined {
  const at = text.trim();
  const right = at === '' || at.includes('$') || at.includes('[[') || /^(start|end)\(\s*\)$/.test(at);
  if (right || /^[-+]?\d+(\.\d+)?(e\+?\d+)?$/i.test(at)) {
    return undefined;
  }
  return t('builder.at-problem', 'Write start(), end(), or seconds since 1970.');
}
