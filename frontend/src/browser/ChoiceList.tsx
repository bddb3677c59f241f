/** A list that is always open, with a field that narrows it down: worked by pointer and by keys. */
import { css, cx } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Icon, Input, Text, useStyles2 } from '@grafana/ui';
import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react';

export interface Choice {
  value: string;
  /** Stands behind the value. */
  badge?: ReactNode;
  /** A line below the value. */
  says?: string;
}

export interface Props {
  /** Stands above the list. */
  title: string;
  /** The list's name for who hears the page, and the field's. */
  name: string;
  placeholder: string;
  text: string;
  choices: Choice[];
  chosen: readonly string[];
  /** Several may be chosen. */
  several?: boolean;
  /** What stands below the list: how many there are, or what went wrong. */
  foot: string;
  width: number;
  onText: (text: string) => void;
  onToggle: (value: string) => void;
}

/** A panel's editor is too narrow for all lists at their width; less than this tells nothing. */
const NARROWEST = 150;

export function ChoiceList(props: Props) {
  const { title, name, placeholder, text, choices, chosen, several, foot, width, onText, onToggle } = props;
  const styles = useStyles2(getStyles);
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(-1);
  const optionId = (at: number) => `${id}-${at}`;
  const at = Math.min(active, choices.length - 1);

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp': {
        event.preventDefault();
        const next = Math.max(0, Math.min(choices.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1)));
        setActive(next);
        list.current?.children[next]?.scrollIntoView?.({ block: 'nearest' });
        return;
      }
      case 'Enter': {
        event.preventDefault();
        const choice = choices[at];
        if (choice) {
          onToggle(choice.value);
        }
      }
    }
  };

  return (
    <div style={{ flex: `0 1 ${width}px`, minWidth: NARROWEST }}>
      <Text element="h6" truncate>
        {title}
      </Text>
      <Input
        role="combobox"
        aria-label={name}
        aria-expanded
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? optionId(at) : undefined}
        autoComplete="off"
        spellCheck={false}
        placeholder={placeholder}
        value={text}
        onChange={(event) => {
          setActive(-1);
          onText(event.currentTarget.value);
        }}
        onKeyDown={onKeyDown}
      />
      <div
        ref={list}
        id={id}
        role="listbox"
        aria-label={name}
        aria-multiselectable={several ? true : undefined}
        className={styles.list}
      >
        {choices.map(({ value, badge, says }, index) => {
          const isChosen = chosen.includes(value);
          return (
            <div
              key={value}
              id={optionId(index)}
              role="option"
              aria-selected={isChosen}
              className={cx(styles.row, index === at && styles.active, isChosen && styles.chosen)}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => onToggle(value)}
            >
              <div className={styles.value}>
                {isChosen && <Icon name="check" size="sm" />}
                <span className={styles.cut} title={value}>
                  {value === '' ? '""' : value}
                </span>
                {badge}
              </div>
              {says && (
                <div className={cx(styles.says, styles.cut)} title={says}>
                  {says}
                </div>
              )}
            </div>
          );
        })}
      </div>
      <div className={styles.foot} role="status">
        {foot}
      </div>
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  list: css({
    height: 208,
    overflowY: 'auto',
    marginTop: theme.spacing(0.5),
    background: theme.colors.background.primary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
  }),
  row: css({
    padding: theme.spacing(0.25, 1),
    cursor: 'pointer',
    '&:hover': { background: theme.colors.action.hover },
  }),
  active: css({ background: theme.colors.action.focus }),
  chosen: css({ background: theme.colors.action.selected }),
  value: css({ display: 'flex', alignItems: 'center', gap: theme.spacing(0.5) }),
  cut: css({ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }),
  says: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
  foot: css({
    minHeight: theme.spacing(2.5),
    color: theme.colors.text.secondary,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
});
