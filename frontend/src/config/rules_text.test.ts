import { rulesText } from './rules_text';

test('rules are written as Prometheus’s configuration has them', () => {
  expect(
    rulesText([
      { action: 'drop', source_labels: ['__name__', 'a b'], regex: 'go_.*' },
      { target_label: 'host', regex: '(.*):\\d+', replacement: '$1', modulus: 8 },
    ])
  ).toBe(
    '- action: drop\n  source_labels: [__name__, "a b"]\n  regex: go_.*\n' +
      '- target_label: host\n  regex: "(.*):\\\\d+"\n  replacement: "$1"\n  modulus: 8\n'
  );
});

test('a text that YAML would read as something else is quoted', () => {
  expect(rulesText([{ replacement: 'true', regex: 'No', separator: '' }])).toBe(
    '- replacement: "true"\n  regex: "No"\n  separator: ""\n'
  );
});

test('no rules are no text', () => {
  expect(rulesText(undefined)).toBe('');
});
