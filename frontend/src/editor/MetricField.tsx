/**
 * Finds a metric by a few letters, in the backend: however many names there are, a key asks for
 * one short page of the best fits, and only the rows in view are drawn.
 */
import { css, cx } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Badge, Input, useStyles2 } from '@grafana/ui';
import { type KeyboardEvent, memo, useCallback, useEffect, useId, useMemo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';

import { lookupProblem, type MetricFacts, type MetricSearch, type ResourceCaller, searchMetrics } from '../resources';
import { t } from '../translate';
import { useDraft } from './draft';

export interface Props {
  id: string;
  caller: ResourceCaller;
  metric: string;
  /** With what is known of the metric, where it was picked from the list. */
  onChange: (metric: string, facts?: MetricFacts) => void;
}

/** Fits that one key asks for: more than anyone scrolls through before typing another letter. */
const PAGE = 100;
const ROW_HEIGHT = 48;
/** The list is as high as this, and lower on a low screen: a panel's editor shows a third of it. */
const LIST_HEIGHT = ROW_HEIGHT * 7;
const SHOWN_HEIGHT = `clamp(${ROW_HEIGHT * 3}px, 27vh, ${LIST_HEIGHT}px)`;

export function MetricField({ id, caller, metric, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const listId = useId();
  const [draft, setDraft] = useDraft(metric);
  const [open, setOpen] = useState(false);
  const [found, setFound] = useState<MetricSearch>();
  const [problem, setProblem] = useState<string>();
  const [active, setActive] = useState(-1);
  const [scrolled, setScrolled] = useState(0);
  const popup = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const newest = useRef(0);
  const firstPage = useRef<MetricSearch>(undefined);

  const search = (text: string) => {
    newest.current += 1;
    const mine = newest.current;
    searchMetrics(caller, text, PAGE).then(
      (answer) => {
        // Answers may overtake each other; only the last key's counts.
        if (mine === newest.current) {
          // In a task of its own it would often miss the next frame, and wait for the one after.
          flushSync(() => {
            setFound(answer);
            setProblem(undefined);
            setActive(text && answer.metrics.length > 0 ? 0 : -1);
            setScrolled(0);
          });
          list.current?.scrollTo?.({ top: 0 });
        }
      },
      (error) => mine === newest.current && setProblem(lookupProblem(error))
    );
  };
  // An answer that comes after the field is gone has nobody to tell.
  useEffect(
    () => () => {
      newest.current = -1;
    },
    []
  );
  // The first page is there when the field opens, and the backend has fetched the names by then.
  useEffect(() => {
    let wanted = true;
    searchMetrics(caller, '', PAGE).then(
      (answer) => {
        if (wanted) {
          firstPage.current = answer;
        }
      },
      // Opening the field asks again, and tells.
      () => undefined
    );
    return () => {
      wanted = false;
    };
  }, [caller]);

  // In a panel's editor the field often stands near the bottom of what can be seen.
  useEffect(() => {
    if (open) {
      popup.current?.scrollIntoView?.({ block: 'nearest' });
    }
  }, [open]);

  const show = () => {
    if (!open) {
      setOpen(true);
      setFound(found ?? firstPage.current);
      search('');
    }
  };
  const whenPicked = useRef(onChange);
  useEffect(() => {
    whenPicked.current = onChange;
  });
  const pick = useCallback(
    (facts: MetricFacts) => {
      setOpen(false);
      setDraft(facts.name);
      whenPicked.current(facts.name, facts);
    },
    [setDraft]
  );
  const leave = () => {
    setOpen(false);
    if (draft !== metric) {
      onChange(draft.trim());
    }
  };
  const move = (to: number) => {
    const last = (found?.metrics.length ?? 0) - 1;
    const next = Math.max(0, Math.min(last, to));
    setActive(next);
    const top = next * ROW_HEIGHT;
    const box = list.current;
    if (box && (top < box.scrollTop || top + ROW_HEIGHT > box.scrollTop + box.clientHeight)) {
      box.scrollTop = top;
    }
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const chosen = open ? found?.metrics[active] : undefined;
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp':
        event.preventDefault();
        if (!open) {
          show();
        } else {
          move(active + (event.key === 'ArrowDown' ? 1 : -1));
        }
        return;
      case 'Enter':
        event.preventDefault();
        if (chosen) {
          pick(chosen);
        } else {
          leave();
        }
        return;
      case 'Escape':
        if (open) {
          event.stopPropagation();
          setOpen(false);
          setDraft(metric);
        }
    }
  };

  // Looking a text up takes a part of a millisecond, and a key draws the field twice.
  const texts = useMemo(
    () => ({
      placeholder: t('metric.placeholder', 'Search by name or description'),
      list: t('metric.list', 'Metrics'),
    }),
    []
  );
  const foot = useMemo(() => footText(found), [found]);
  const metrics = found?.metrics ?? [];
  const firstRow = Math.max(0, Math.floor(scrolled / ROW_HEIGHT) - 3);
  const rows = metrics.slice(firstRow, firstRow + LIST_HEIGHT / ROW_HEIGHT + 6);
  const optionId = (at: number) => `${listId}-${at}`;

  return (
    <div className={styles.field}>
      <Input
        id={id}
        width={44}
        role="combobox"
        aria-expanded={open}
        aria-controls={listId}
        aria-autocomplete="list"
        aria-activedescendant={open && active >= 0 ? optionId(active) : undefined}
        autoComplete="off"
        spellCheck={false}
        placeholder={texts.placeholder}
        value={draft}
        onFocus={(event) => {
          event.currentTarget.select();
          show();
        }}
        onClick={show}
        onChange={(event) => {
          setDraft(event.currentTarget.value);
          setOpen(true);
          search(event.currentTarget.value);
        }}
        onBlur={leave}
        onKeyDown={onKeyDown}
      />
      {open && (
        <div ref={popup} className={styles.popup}>
          <div
            ref={list}
            id={listId}
            role="listbox"
            aria-label={texts.list}
            className={styles.list}
            onScroll={(event) => setScrolled(event.currentTarget.scrollTop)}
          >
            <div style={{ height: metrics.length * ROW_HEIGHT }}>
              {rows.map((facts, offset) => {
                const at = firstRow + offset;
                return (
                  <Row
                    // Another metric in the same place changes the row's texts; a row by its name would be made anew.
                    key={at}
                    id={optionId(at)}
                    facts={facts}
                    at={at}
                    count={metrics.length}
                    isActive={at === active}
                    onPick={pick}
                  />
                );
              })}
            </div>
          </div>
          <div className={styles.foot} role="status">
            {problem ?? foot}
          </div>
        </div>
      )}
    </div>
  );
}

interface RowProps {
  id: string;
  facts: MetricFacts;
  at: number;
  count: number;
  isActive: boolean;
  onPick: (facts: MetricFacts) => void;
}

/** Drawn again only when it changes, and not at every key. */
const Row = memo(DrawnRow, (before, after) => {
  const { facts: was, ...othersBefore } = before;
  const { facts: is, ...others } = after;
  // Every answer has its own facts, often those that were there.
  return (
    was.name === is.name &&
    was.type === is.type &&
    was.unit === is.unit &&
    was.description === is.description &&
    Object.entries(others).every(([name, value]) => othersBefore[name as keyof typeof others] === value)
  );
});

function DrawnRow({ id, facts, at, count, isActive, onPick }: RowProps) {
  const styles = useStyles2(getStyles);
  return (
    <div
      id={id}
      role="option"
      aria-selected={isActive}
      aria-setsize={count}
      aria-posinset={at + 1}
      className={cx(styles.row, isActive && styles.active)}
      style={{ top: at * ROW_HEIGHT }}
      // The field must not be left before the click is over.
      onMouseDown={(event) => event.preventDefault()}
      onClick={() => onPick(facts)}
    >
      <div className={styles.name}>
        <span className={styles.cut}>{facts.name}</span>
        {facts.type !== 'unknown' && <Badge color="blue" text={facts.type} />}
        {facts.unit && <Badge color="darkgrey" text={facts.unit} />}
      </div>
      <div className={cx(styles.help, styles.cut)}>{facts.description}</div>
    </div>
  );
}

function footText(found: MetricSearch | undefined): string {
  if (!found) {
    return t('metric.searching', 'Searching…');
  }
  if (found.found === 0) {
    return found.names === 0
      ? t('metric.none', 'There are no metrics yet.')
      : t('metric.no-fit', 'No metric fits. What is typed is kept when you leave.');
  }
  const number = found.names.toLocaleString();
  const names = found.truncated ? t('metric.or-more', '{{number}} or more', { number }) : number;
  const figures = { found: found.found.toLocaleString(), names };
  return found.found > found.metrics.length
    ? t('metric.best-shown', '{{found}} of {{names}} metrics, the best {{shown}} shown', {
        ...figures,
        shown: found.metrics.length,
      })
    : t('metric.all-shown', '{{found}} of {{names}} metrics', figures);
}

const getStyles = (theme: GrafanaTheme2) => ({
  field: css({ position: 'relative' }),
  popup: css({
    position: 'absolute',
    top: '100%',
    left: 0,
    width: 'min(560px, 90vw)',
    marginTop: theme.spacing(0.25),
    zIndex: theme.zIndex.dropdown,
    background: theme.components.dropdown?.background ?? theme.colors.background.primary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    boxShadow: theme.shadows.z3,
  }),
  // What changes in the list, or in a row, has nothing outside of it laid out again.
  list: css({ position: 'relative', height: SHOWN_HEIGHT, overflowY: 'auto', contain: 'strict' }),
  row: css({
    contain: 'strict',
    position: 'absolute',
    left: 0,
    right: 0,
    height: ROW_HEIGHT,
    padding: theme.spacing(0.5, 1),
    cursor: 'pointer',
    '&:hover': { background: theme.colors.action.hover },
  }),
  active: css({ background: theme.colors.action.selected }),
  name: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(0.5),
    fontWeight: theme.typography.fontWeightMedium,
  }),
  cut: css({ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }),
  help: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
  foot: css({
    padding: theme.spacing(0.5, 1),
    borderTop: `1px solid ${theme.colors.border.weak}`,
    color: theme.colors.text.secondary,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
});
