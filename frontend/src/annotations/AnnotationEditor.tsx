/** The editor of an annotation. */
import { css } from '@emotion/css';
import type { AnnotationQuery, GrafanaTheme2, QueryEditorProps } from '@grafana/data';
import { Field, Input, Stack, Switch, TextArea, useStyles2 } from '@grafana/ui';
import { useId, useState } from 'react';

import type { HeadwaterDataSource } from '../datasource';
import { durationProblem } from '../duration';
import { t } from '../translate';
import type { DataSourceOptions, PanelQuery } from '../types';
import { DEFAULT_STEP, type HeadwaterAnnotation, prepareAnnotation } from './annotation';

export type Props = QueryEditorProps<HeadwaterDataSource, PanelQuery, DataSourceOptions> & {
  annotation?: AnnotationQuery<PanelQuery>;
  onAnnotationChange?: (annotation: AnnotationQuery<PanelQuery>) => void;
};

export default function AnnotationEditor({ annotation, onAnnotationChange, onRunQuery }: Props) {
  const ids = useId();
  const styles = useStyles2(getStyles);
  const saved: HeadwaterAnnotation = prepareAnnotation(annotation ?? { name: '', enable: true, iconColor: '' });
  const target: PanelQuery = saved.target ?? { refId: 'Anno' };
  const [expr, setExpr] = useState(target.expr ?? '');
  const change = (part: Partial<HeadwaterAnnotation>) => onAnnotationChange?.({ ...saved, ...part });
  const changeTarget = (part: Partial<PanelQuery>) => change({ target: { ...target, ...part } });
  const stepProblem = durationProblem(target.interval ?? '');

  const text = (
    key: 'titleFormat' | 'textFormat' | 'tagKeys',
    label: string,
    description: string,
    placeholder: string
  ) => (
    <Field label={label} description={description} htmlFor={`${ids}-${key}`}>
      <Input
        id={`${ids}-${key}`}
        width={40}
        placeholder={placeholder}
        value={saved[key] ?? ''}
        onChange={(event) => change({ [key]: event.currentTarget.value })}
      />
    </Field>
  );

  return (
    <Stack direction="column" gap={0} data-testid="headwater-annotation-editor">
      <Field
        label={t('annotation.expr', 'PromQL')}
        description={t(
          'annotation.expr-description',
          'Each point that is not zero is an event; neighbouring ones are one region. Shift-Enter runs it.'
        )}
        htmlFor={`${ids}-expr`}
      >
        <TextArea
          id={`${ids}-expr`}
          rows={3}
          spellCheck={false}
          placeholder="changes(process_start_time_seconds[1m]) > 0"
          value={expr}
          onChange={(event) => setExpr(event.currentTarget.value)}
          onBlur={() => expr !== target.expr && changeTarget({ expr })}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && event.shiftKey) {
              event.preventDefault();
              changeTarget({ expr });
              onRunQuery();
            }
          }}
        />
      </Field>
      <Field
        label={t('annotation.step', 'Min step')}
        description={t('annotation.step-description', 'How far apart the points are that are looked at.')}
        htmlFor={`${ids}-step`}
        invalid={stepProblem !== undefined}
        error={stepProblem}
      >
        <Input
          id={`${ids}-step`}
          width={20}
          placeholder={DEFAULT_STEP}
          value={target.interval ?? ''}
          onChange={(event) => changeTarget({ interval: event.currentTarget.value || undefined })}
        />
      </Field>
      <div className={styles.texts}>
        {text(
          'titleFormat',
          t('annotation.title', 'Title'),
          t('annotation.title-description', 'Either a name, or labels: {{instance}}.'),
          '{{alertname}}'
        )}
        {text(
          'tagKeys',
          t('annotation.tags', 'Tags'),
          t('annotation.tags-description', 'Labels whose values are the tags, with commas between them.'),
          'job, instance'
        )}
        {text(
          'textFormat',
          t('annotation.text', 'Text'),
          t('annotation.text-description', 'What the event says, with labels in it.'),
          '{{instance}} restarted'
        )}
      </div>
      <Field
        label={t('annotation.value-as-time', 'Series value as timestamp')}
        description={t(
          'annotation.value-as-time-description',
          'The value is the time of the event, in milliseconds since 1970: multiply seconds by 1000.'
        )}
        htmlFor={`${ids}-value`}
      >
        <Switch
          id={`${ids}-value`}
          value={saved.useValueForTime === true || saved.useValueForTime === 'on'}
          onChange={(event) => change({ useValueForTime: event.currentTarget.checked })}
        />
      </Field>
    </Stack>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  // The fields bring the space between rows.
  texts: css({ display: 'flex', flexWrap: 'wrap', columnGap: theme.spacing(2) }),
});
