import { explain, split } from './split';

const at = (start: number, end: number, line = 1, column = start + 1) => ({ start, end, line, column });

test('the mistake is cut out of the text', () => {
  expect(split('sum(rat(x))', at(4, 7))).toEqual(['sum(', 'rat', '(x))']);
});

test('what is missing at the end marks the last character', () => {
  expect(split('sum(x', at(5, 5))).toEqual(['sum(', 'x', '']);
  expect(split('', at(0, 0))).toEqual(['', '', '']);
});

test('a caret stands below the place, in its line', () => {
  expect(explain('sum(\n  rat(x))', 'unknown function', at(7, 10, 2, 3))).toBe(
    'unknown function\n\n    rat(x))\n    ^^^'
  );
  expect(explain('x', 'no place', undefined)).toBe('no place');
});
