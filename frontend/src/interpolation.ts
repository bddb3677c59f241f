/**
 * Puts the values of template variables into PromQL so that the text still means what it says.
 *
 * The same value has to be written differently in each place: `a.b` is itself in
 * `job="$job"`, `a\\.b` in `job=~"$job"`, and a list in `sum by ($labels)`. Grafana calls a
 * formatting function for each variable but does not tell it the place. So the values are first
 * left as marks, and written once the whole text is known.
 */

/** A variable's value, and whether its variable can hold several. */
interface Inserted {
  values: string[];
  severalPossible: boolean;
}

/** What Grafana hands to a formatting function, as far as it is read here. */
interface FormattedVariable {
  multi?: boolean;
  includeAll?: boolean;
}

type Formatter = (value: unknown, variable?: FormattedVariable) => string;

/** Replaces the variables of a text, calling `formatter` for each: Grafana's `templateSrv.replace`. */
export type ReplaceVariables = (text: string, formatter: Formatter) => string;

// Two code points that Unicode keeps for private use, so no variable's value holds them by chance.
const MARK_START = '\uE000';
const MARK_END = '\uE001';

/** Where in a PromQL text a mark stands. */
type Place = { kind: 'outside' } | { kind: 'quoted'; quote: string; exact: boolean };

/**
 * Replaces the variables in a PromQL text.
 *
 * Inside quotes the characters that would end the string are escaped. A variable that can hold
 * several values is also escaped for a regular expression and becomes `(a|b)`, except as the
 * single value of `=` or `!=`, which compare letter by letter. Outside quotes, where PromQL knows
 * no alternatives, several values become a list: `sum by ($labels)`.
 */
export function interpolatePromQL(text: string, replace: ReplaceVariables): string {
  const inserted: Inserted[] = [];
  const marked = replace(text, (value, variable) => {
    const values = Array.isArray(value) ? value.map(String) : [String(value ?? '')];
    inserted.push({ values, severalPossible: Boolean(variable?.multi || variable?.includeAll) });
    return `${MARK_START}${inserted.length - 1}${MARK_END}`;
  });
  if (inserted.length === 0) {
    return marked;
  }
  return writeMarks(marked, inserted);
}

function writeMarks(marked: string, inserted: Inserted[]): string {
  let written = '';
  let place: Place = { kind: 'outside' };
  let at = 0;
  while (at < marked.length) {
    const char = marked[at];
    if (char === MARK_START) {
      const end = marked.indexOf(MARK_END, at);
      const value = inserted[Number(marked.slice(at + 1, end))];
      written += value ? render(value, place) : '';
      at = end + 1;
      continue;
    }
    if (place.kind === 'quoted') {
      // A backslash protects the next character, except between backquotes.
      if (char === '\\' && place.quote !== '`' && marked[at + 1] !== MARK_START) {
        written += marked.slice(at, at + 2);
        at += 2;
        continue;
      }
      if (char === place.quote) {
        place = { kind: 'outside' };
      }
    } else if (char === '#') {
      // A quote in a comment opens nothing: the comment is carried over as one piece.
      const lineEnd = marked.indexOf('\n', at);
      const end = lineEnd < 0 ? marked.length : lineEnd;
      written += writeComment(marked.slice(at, end), inserted);
      at = end;
      continue;
    } else if (char === '"' || char === "'" || char === '`') {
      place = { kind: 'quoted', quote: char, exact: followsEquality(written) };
    }
    written += char;
    at += 1;
  }
  return written;
}

/** Whether the text ends in `=` or `!=`, and so the string that follows is compared letter by letter. */
function followsEquality(before: string): boolean {
  return /=\s*$/.test(before);
}

function writeComment(comment: string, inserted: Inserted[]): string {
  // A line break in a value would end the comment and turn its rest into PromQL.
  return comment.replace(/\uE000(\d+)\uE001/g, (_, index) =>
    (inserted[Number(index)]?.values.join(', ') ?? '').replace(/[\r\n]+/g, ' ')
  );
}

function render({ values, severalPossible }: Inserted, place: Place): string {
  if (place.kind === 'outside') {
    return values.join(', ');
  }
  const asPattern = severalPossible || values.length > 1;
  const [only] = values;
  if (!asPattern || (place.exact && values.length === 1)) {
    return escapeString(only ?? '', place.quote);
  }
  const patterns = values.map(escapeRegex);
  const pattern = patterns.length === 1 ? patterns[0] : `(${patterns.join('|')})`;
  return escapeString(pattern ?? '', place.quote);
}

/** Escapes what has a meaning of its own in a regular expression (RE2's syntax). */
export function escapeRegex(value: string): string {
  return value.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}

/** Escapes what would end a PromQL string, or start an escape in it. */
function escapeString(value: string, quote: string): string {
  if (quote === '`') {
    // A raw string knows no escapes: a backquote is the one character it cannot hold.
    return value.replaceAll('`', '');
  }
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll(quote, `\\${quote}`);
}
