import type { AnnotationQuery } from '@grafana/data';
import { fireEvent, render, screen } from '@testing-library/react';
import { useState } from 'react';

import type { HeadwaterDataSource } from '../datasource';
import type { PanelQuery } from '../types';
import AnnotationEditor from './AnnotationEditor';

test('what is written is saved as the Prometheus data source names it', () => {
  let saved: AnnotationQuery<PanelQuery> | undefined = { name: 'x', enable: true, iconColor: 'red' };
  const run = jest.fn();
  function Page() {
    const [annotation, setAnnotation] = useState(saved);
    return (
      <AnnotationEditor
        datasource={{} as HeadwaterDataSource}
        query={{ refId: 'Anno' }}
        onChange={() => undefined}
        onRunQuery={run}
        annotation={annotation}
        onAnnotationChange={(changed) => {
          saved = changed;
          setAnnotation(changed);
        }}
      />
    );
  }
  render(<Page />);
  const write = (label: RegExp, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });
  write(/^PromQL/, 'up == 0');
  fireEvent.keyDown(screen.getByLabelText(/^PromQL/), { key: 'Enter', shiftKey: true });
  expect(run).toHaveBeenCalled();
  write(/^Min step/, '30s');
  write(/^Title/, '{{job}}');
  write(/^Tags/, 'job');
  write(/^Text/, 'down');
  fireEvent.click(screen.getByLabelText(/^Series value as timestamp/));
  expect(saved).toMatchObject({
    target: { refId: 'Anno', expr: 'up == 0', interval: '30s' },
    titleFormat: '{{job}}',
    tagKeys: 'job',
    textFormat: 'down',
    useValueForTime: true,
  });
});
