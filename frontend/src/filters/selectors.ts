/**
 * Finds the selectors in a PromQL text and changes the conditions in them.
 *
 * Template variables may stand anywhere in the text, so it is not parsed as PromQL: only what
 * could be mistaken for a selector is told apart, and everything else stays letter by letter.
 */

/** A condition on a label. */
export interface Condition {
  key: string;
  operator: string;
  value: string;
}

/** A selector's place: its metric, where it has one, and its braces, where it has them. */
interface Selector {
  /** The end of the metric's name; the braces' start where there is no name. */
  nameEnd: number;
  /** The places of `{` and `}`. */
  braces?: [open: number, close: number];
}

/** Words after which a list of labels follows. */
const LABEL_LISTS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
/** Words that are no metric's name where they stand alone. */
const WORDS = new Set([
  ...LABEL_LISTS,
  'bool',
  'offset',
  'and',
  'or',
  'unless',
  'atan2',
  'inf',
  'nan',
  'start',
  'end',
  'fill',
]);
/** A name may hold template variables: `$metric`, `${metric}_total`, `[[metric]]`. */
const NAME =
  /(?:[A-Za-z_:][\w:]*|\$\{[^}]*\}|\$\w+|\[\[\w+(?::\w+)?\]\])(?:[\w:]|\$\{[^}]*\}|\$\w+|\[\[\w+(?::\w+)?\]\])*/y;

function selectorsOf(text: string): Selector[] {
  const found: Selector[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (isQuote(char)) {
      at = afterString(text, at);
    } else if (char === '{') {
      const close = closing(text, at, '}');
      found.push({ nameEnd: at, braces: [at, close] });
      at = close + 1;
    } else if (char === '[' && !text.startsWith('[[', at)) {
      at = closing(text, at, ']') + 1;
    } else if (/[\d.]/.test(char)) {
      // Numbers and durations: 1e5, 0x1f, 5m30s.
      at += /^[\w.]+/.exec(text.slice(at))?.[0].length ?? 1;
    } else {
      NAME.lastIndex = at;
      const name = NAME.exec(text)?.[0];
      if (name === undefined) {
        at += 1;
        continue;
      }
      const end = at + name.length;
      const next = afterBlanks(text, end);
      const word = name.toLowerCase();
      if (LABEL_LISTS.has(word)) {
        at = text[next] === '(' ? closing(text, next, ')') + 1 : end;
      } else if (text[next] === '(' || WORDS.has(word) || isOperand(text, at)) {
        at = end;
      } else if (/^\s*(by|without)\b/.test(text.slice(end))) {
        // The name of an aggregation, whose labels come first.
        at = end;
      } else if (text[next] === '{') {
        const close = closing(text, next, '}');
        found.push({ nameEnd: end, braces: [next, close] });
        at = close + 1;
      } else {
        found.push({ nameEnd: end });
        at = end;
      }
    }
  }
  return found;
}

const isQuote = (char: string) => char === '"' || char === "'" || char === '`';

function afterBlanks(text: string, at: number): number {
  return at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
}

/** Whether a duration or a time is due: `offset $d`, `@ $t`. */
function isOperand(text: string, at: number): boolean {
  return /(\boffset\s*-?|@)\s*$/i.test(text.slice(0, at));
}

function afterString(text: string, start: number): number {
  const quote = text[start];
  let at = start + 1;
  while (at < text.length && text[at] !== quote) {
    at += text[at] === '\\' && quote !== '`' ? 2 : 1;
  }
  return at + 1;
}

/** The place of the bracket that closes the one at `open`; the text's end where there is none. */
function closing(text: string, open: number, close: string): number {
  let at = open + 1;
  while (at < text.length && text[at] !== close) {
    const char = text[at] ?? '';
    if (isQuote(char)) {
      at = afterString(text, at);
    } else if (char === '$' && text[at + 1] === '{') {
      at = closing(text, at + 1, '}') + 1;
    } else {
      at += 1;
    }
  }
  return at;
}

/** The conditions between the braces, as they are written. */
function conditionTexts(text: string, [open, close]: [number, number]): string[] {
  const texts: string[] = [];
  let start = open + 1;
  for (let at = start; at <= close;) {
    const char = text[at] ?? '';
    if (at === close || char === ',') {
      texts.push(text.slice(start, at));
      at += 1;
      start = at;
    } else {
      at = isQuote(char) ? afterString(text, at) : at + 1;
    }
  }
  return texts.map((condition) => condition.trim()).filter((condition) => condition !== '');
}

/** The condition that a text is; none where its value is a variable or it has no operator. */
function readCondition(text: string): Condition | undefined {
  const parts =
    /^("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\w$]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)$/.exec(
      text
    );
  if (!parts) {
    return undefined;
  }
  const [, key = '', operator = '', value = ''] = parts;
  return { key: isQuote(key[0] ?? '') ? unquoted(key) : key, operator, value: unquoted(value) };
}

function unquoted(literal: string): string {
  const inside = literal.slice(1, -1);
  if (literal.startsWith('`')) {
    return inside;
  }
  return inside.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char === 't' ? '\t' : char));
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

function writeCondition({ key, operator, value }: Condition): string {
  return `${/^[A-Za-z_]\w*$/.test(key) ? key : quoted(key)}${operator}${quoted(value)}`;
}

function isSame(a: Condition | undefined, b: Condition): boolean {
  return a?.key === b.key && a.operator === b.operator && a.value === b.value;
}

/** Whether a selector of the text has the condition. */
export function hasCondition(text: string, condition: Condition): boolean {
  return selectorsOf(text).some(
    ({ braces }) => braces && conditionTexts(text, braces).some((written) => isSame(readCondition(written), condition))
  );
}

/** The text with `added` in each of its selectors, and without `removed`. */
export function withConditions(text: string, added: Condition[], removed: Condition[] = []): string {
  let changed = '';
  let done = 0;
  for (const { nameEnd, braces } of selectorsOf(text)) {
    const before = braces ? conditionTexts(text, braces) : [];
    const kept = before.filter((written) => !removed.some((condition) => isSame(readCondition(written), condition)));
    const missing = added.filter((condition) => !kept.some((written) => isSame(readCondition(written), condition)));
    const end = braces ? Math.min(braces[1] + 1, text.length) : nameEnd;
    if (kept.length === before.length && missing.length === 0) {
      continue;
    }
    const all = [...kept, ...missing.map(writeCondition)];
    // A selector that has no name cannot be left without any condition.
    const hasName = nameEnd > 0 && (!braces || braces[0] !== nameEnd || /[\w:}\]]\s*$/.test(text.slice(0, braces[0])));
    changed += text.slice(done, nameEnd) + (all.length === 0 && hasName ? '' : `{${all.join(', ')}}`);
    done = end;
  }
  return changed + text.slice(done);
}
