/**
 * Grafana's variables in a PromQL text that is to be parsed.
 *
 * The grammar knows none, so each outside of quotes becomes a word or a number that stands nowhere
 * else, and is put back wherever a piece of the text is read.
 */

const VARIABLE = /^(?:\$\{[A-Za-z_]\w*(?:[.:][^}]*)?\}|\$[A-Za-z_]\w*|\[\[[A-Za-z_]\w*(?:[.:][^\]]*)?\]\])/;

export interface Masked {
  text: string;
  /** Puts the variables back into a piece of `text`. */
  restore(piece: string): string;
}

export function maskVariables(text: string): Masked {
  const found: Array<[mask: string, variable: string]> = [];
  let masked = '';
  let quote = '';
  let brackets = 0;
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (quote) {
      const escaped = char === '\\' && quote !== '`';
      masked += escaped ? text.slice(at, at + 2) : char;
      at += escaped ? 2 : 1;
      if (char === quote) {
        quote = '';
      }
      continue;
    }
    const variable = VARIABLE.exec(text.slice(at))?.[0];
    if (variable) {
      const mask = maskFor(text, masked, found.length, brackets > 0, text.charAt(at + variable.length));
      found.push([mask, variable]);
      masked += mask;
      at += variable.length;
      continue;
    }
    if (char === '#') {
      const end = text.indexOf('\n', at);
      const comment = text.slice(at, end < 0 ? text.length : end);
      masked += comment;
      at += comment.length;
      continue;
    }
    if (char === '"' || char === "'" || char === '`') {
      quote = char;
    } else if (char === '[') {
      brackets += 1;
    } else if (char === ']') {
      brackets -= 1;
    }
    masked += char;
    at += 1;
  }
  return {
    text: masked,
    restore: (piece) => found.reduce((restored, [mask, variable]) => restored.replaceAll(mask, variable), piece),
  };
}

function maskFor(text: string, before: string, index: number, inBrackets: boolean, next: string): string {
  // A number that the text itself holds would be mistaken for a variable when it is put back.
  let number = 7_310_000 + index;
  while (text.includes(String(number))) {
    number += 1000;
  }
  const wantsDuration = inBrackets || /\boffset\s*-?\s*$/i.test(before);
  if (wantsDuration) {
    return /[a-z]/.test(next) ? String(number) : `${number}s`;
  }
  return `hwvar${number}x`;
}
