/** The text area for a PromQL expression. */
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { TextArea, useStyles2 } from '@grafana/ui';
import type { KeyboardEvent } from 'react';

import { t } from '../translate';
import { useDraft } from './draft';

export interface Props {
  id: string;
  expr: string;
  /** Only show the text. */
  readOnly?: boolean;
  /** The text was left or run: keep it. */
  onChange: (expr: string) => void;
  /** Shift-Enter or Ctrl-Enter: run the text, which `onChange` has been told before. */
  onRun: () => void;
}

const MIN_ROWS = 2;
const MAX_ROWS = 16;

export function ExpressionField({ id, expr, readOnly, onChange, onRun }: Props) {
  const styles = useStyles2(getStyles);
  const [draft, setDraft] = useDraft(expr);

  const keep = () => {
    if (draft !== expr) {
      onChange(draft);
    }
  };
  const runOnShortcut = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === 'Enter' && (event.shiftKey || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      keep();
      onRun();
    }
  };

  return (
    <TextArea
      id={id}
      className={styles.text}
      value={draft}
      readOnly={readOnly}
      rows={Math.min(MAX_ROWS, Math.max(MIN_ROWS, draft.split('\n').length))}
      placeholder={t('code.placeholder', 'Enter a PromQL query, for example {{example}}', {
        example: 'rate(http_requests_total[$__rate_interval])',
      })}
      spellCheck={false}
      autoCapitalize="off"
      autoCorrect="off"
      autoComplete="off"
      aria-keyshortcuts="Shift+Enter"
      onChange={(event) => setDraft(event.currentTarget.value)}
      onBlur={keep}
      onKeyDown={runOnShortcut}
    />
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  text: css({
    fontFamily: theme.typography.fontFamilyMonospace,
    fontSize: theme.typography.bodySmall.fontSize,
    lineHeight: theme.typography.body.lineHeight,
    resize: 'vertical',
  }),
});
