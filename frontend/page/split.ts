/** Where a mistake stands in a text. */
import type { Position } from './api';

/** The text in three parts: before the mistake, the mistake, behind it. */
export function split(text: string, { start, end }: Position): [string, string, string] {
  // Where something is missing at the end, the last character carries the mark.
  const from = Math.min(start, Math.max(text.length - 1, 0));
  const to = Math.max(Math.min(end, text.length), Math.min(from + 1, text.length));
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

/** The message, and the line with a caret below the place. */
export function explain(text: string, message: string, position: Position | undefined): string {
  if (!position) {
    return message;
  }
  const line = text.split('\n')[position.line - 1] ?? '';
  const width = Math.max(1, Math.min(position.end - position.start, line.length - position.column + 1));
  return `${message}\n\n  ${line}\n  ${' '.repeat(position.column - 1)}${'^'.repeat(width)}`;
}
