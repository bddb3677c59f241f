/** Sets a long PromQL text over several lines. Only spaces change, so it means what it meant. */

const LINE = 80;
const INDENT = '  ';

interface Group {
  open: string;
  close: string;
  parts: Array<string | Group>;
}

/** The text over several lines; as it is where it has comments or brackets that do not match. */
export function layOutQuery(text: string): string {
  const group = groupsOf(text);
  return group ? write(group.parts, '').trim() : text;
}

/** The texts between parentheses. Quotes, braces and square brackets are left as one piece. */
function groupsOf(text: string): Group | undefined {
  const whole: Group = { open: '', close: '', parts: [] };
  const stack = [whole];
  let piece = '';
  const flush = () => {
    if (piece) {
      stack.at(-1)?.parts.push(piece);
      piece = '';
    }
  };
  const token = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\$\{[^}]*\}|\[\[[^\]]*\]\]|#|[()]|\s+|[\s\S]/g;
  for (const [found] of text.matchAll(token)) {
    if (found === '#') {
      return undefined;
    }
    if (found === '(') {
      flush();
      const group: Group = { open: '(', close: ')', parts: [] };
      stack.at(-1)?.parts.push(group);
      stack.push(group);
    } else if (found === ')') {
      flush();
      if (stack.length === 1) {
        return undefined;
      }
      stack.pop();
    } else {
      piece += /^\s/.test(found) ? ' ' : found;
    }
  }
  flush();
  return stack.length === 1 ? whole : undefined;
}

function flat(parts: Group['parts']): string {
  return parts.map((part) => (typeof part === 'string' ? part : `(${flat(part.parts).trim()})`)).join('');
}

function write(parts: Group['parts'], indent: string): string {
  const whole = flat(parts).trim();
  if (indent.length + whole.length <= LINE) {
    return whole;
  }
  return parts
    .map((part) => {
      if (typeof part === 'string') {
        return part;
      }
      const inside = flat(part.parts).trim();
      // A list of labels is no longer for being set apart.
      if (inside.length < LINE / 2 && !inside.includes('(')) {
        return `(${inside})`;
      }
      return `(\n${indent}${INDENT}${write(part.parts, indent + INDENT).trim()}\n${indent})`;
    })
    .join('');
}
