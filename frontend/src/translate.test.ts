import { t } from './translate';

test('values stand in a text as they are, whatever they would mean in HTML', () => {
  expect(t('test.of-values', '{{path}} of “{{name}}”', { path: '/metrics', name: `<a & 'b'>` })).toBe(
    `/metrics of “<a & 'b'>”`
  );
  expect(t('test.plain', 'Nothing to put in: $__range')).toBe('Nothing to put in: $__range');
});
