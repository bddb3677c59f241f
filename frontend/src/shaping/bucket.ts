/** The upper bounds of a classic histogram's buckets. */

/** The number behind an `le` label: Prometheus writes `+Inf`, JavaScript reads `Infinity`. NaN where it is none. */
export function bucketBound(le: string): number {
  switch (le.replace(/^[+-]/, '').toLowerCase()) {
    case 'inf':
    case 'infinity':
      return le.startsWith('-') ? -Infinity : Infinity;
    case '':
      return NaN;
    default:
      return Number(le);
  }
}
