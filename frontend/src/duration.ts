/** Checks durations as Prometheus writes them (`1h30m`, `15s`): `series/duration.rs`, in the browser. */
import { t } from './translate';

const DURATION = /^(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$/;

/**
 * What is wrong with a duration, in words for the person who typed it.
 *
 * Empty is fine (a default follows), a bare number is seconds, and a text with a variable or a
 * macro is left to the backend, which knows its value.
 */
export function durationProblem(text: string): string | undefined {
  const duration = text.trim();
  if (duration === '' || /^\d+$/.test(duration) || duration.includes('$') || duration.includes('[[')) {
    return undefined;
  }
  if (DURATION.test(duration)) {
    return undefined;
  }
  return t(
    'duration.problem',
    'Write a duration such as 15s, 1m30s or 500ms (units from large to small: y w d h m s ms).'
  );
}
