/** Numbers, times and label sets as people read them. */

export type Unit = 'short' | 'seconds' | 'bytes' | 'perMinute' | 'perSecond' | 'ratio';

const PARTS: Array<[number, string]> = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e4, 'k'],
];
const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Three digits that count, without zeros that say nothing. */
function digits(value: number, unit = ''): string {
  const size = Math.abs(value);
  const text =
    size >= 1000
      ? value.toFixed(0)
      : size >= 0.001 || size === 0
        ? Number(value.toPrecision(3)).toString()
        : value.toExponential(1);
  return unit ? `${text} ${unit}` : text;
}

function short(value: number): string {
  const part = PARTS.find(([size]) => Math.abs(value) >= size);
  if (!part) {
    return digits(value);
  }
  const [size, letter] = part;
  return `${digits(value / (letter === 'k' ? 1000 : size))} ${letter}`;
}

function seconds(value: number): string {
  const size = Math.abs(value);
  if (size === 0) {
    return '0 s';
  }
  if (size < 1e-3) {
    return digits(value * 1e6, 'µs');
  }
  if (size < 1) {
    return digits(value * 1e3, 'ms');
  }
  if (size < 120) {
    return digits(value, 's');
  }
  if (size < 7200) {
    return digits(value / 60, 'min');
  }
  return size < 172_800 ? digits(value / 3600, 'h') : digits(value / 86_400, 'd');
}

function bytes(value: number): string {
  let power = 0;
  let left = Math.abs(value);
  while (left >= 1024 && power < BYTES.length - 1) {
    left /= 1024;
    power += 1;
  }
  return digits(Math.sign(value) * left, BYTES[power]);
}

/** A value with its unit; a dash where there is none. */
export function shown(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined) {
    return '–';
  }
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? '–' : value > 0 ? '+∞' : '−∞';
  }
  switch (unit) {
    case 'seconds':
      return seconds(value);
    case 'bytes':
      return bytes(value);
    case 'perMinute':
      return `${short(value)} /min`;
    case 'perSecond':
      return `${short(value)} /s`;
    case 'ratio':
    case 'short':
      return short(value);
  }
}

/** A value as the API writes it, as a number. */
export function parse(text: string): number {
  if (text === '+Inf') {
    return Infinity;
  }
  return text === '-Inf' ? -Infinity : Number(text);
}

/** A label set as PromQL writes it. */
export function labelText(labels: Record<string, string>): string {
  const { __name__: name = '', ...rest } = labels;
  const pairs = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length === 0 && name ? name : `${name}{${pairs.join(', ')}}`;
}

/** How long ago something was, in words. */
export function ago(secondsAgo: number): string {
  if (secondsAgo < 1.5) {
    return 'just now';
  }
  if (secondsAgo < 120) {
    return `${Math.round(secondsAgo)} s ago`;
  }
  return secondsAgo < 7200 ? `${Math.round(secondsAgo / 60)} min ago` : `${Math.round(secondsAgo / 3600)} h ago`;
}

/** A duration as the API writes it (`1m30s`), in seconds; 0 for what is none. */
export function durationSeconds(text: string): number {
  const sizes: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhdwy])/g)) {
    total += Number(count) * (sizes[unit ?? ''] ?? 0);
  }
  return total;
}

/** A whole number of seconds as PromQL writes a duration. */
export function durationText(secondsLong: number): string {
  return secondsLong % 60 === 0 && secondsLong > 0 ? `${secondsLong / 60}m` : `${secondsLong}s`;
}
