/** The code editor: PromQL with completion, marks under mistakes, and help where the pointer rests. */
import {
  autocompletion,
  acceptCompletion,
  closeCompletion,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, linter } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, hoverTooltip, keymap, placeholder } from '@codemirror/view';
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { useStyles2, useTheme2 } from '@grafana/ui';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { useEffect, useRef } from 'react';

import { aggregationNamed, functionNamed } from '../promql/functions';
import { renderSelector } from '../promql/model';
import {
  labelNames,
  labelValues,
  metricFacts,
  type MetricFacts,
  type ResourceCaller,
  searchMetrics,
  validateQuery,
} from '../resources';
import { t } from '../translate';

export interface Props {
  id: string;
  expr: string;
  caller: ResourceCaller;
  /** The names of the dashboard's variables, without the dollar. */
  variables: () => string[];
  onChange: (expr: string) => void;
  onRun: () => void;
}

const METRICS_OFFERED = 300;
const CHOICES = 1000;

/** Grafana's own variables that mean something in a query. */
function builtIn(): Array<[name: string, says: string]> {
  return [
    [
      '__rate_interval',
      t('code.rate-interval', 'A window that holds at least four samples; for rate() and increase()'),
    ],
    ['__interval', t('code.interval', 'One step of the graph')],
    ['__interval_ms', t('code.interval-ms', 'One step of the graph, in milliseconds')],
    ['__range', t('code.range', 'The whole time range')],
    ['__range_s', t('code.range-s', 'The whole time range, in seconds')],
    ['__range_ms', t('code.range-ms', 'The whole time range, in milliseconds')],
  ];
}

export default function CodeField({ id, expr, caller, variables, onChange, onRun }: Props) {
  const theme = useTheme2();
  const styles = useStyles2(getStyles);
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>();
  // The editor lives longer than one drawing, and must call what the newest one was given.
  const newest = useRef({ expr, onChange, onRun, variables });
  useEffect(() => {
    newest.current = { expr, onChange, onRun, variables };
  });

  useEffect(() => {
    if (!host.current) {
      return;
    }
    const keep = (editor: EditorView) => {
      const text = editor.state.doc.toString();
      if (text !== newest.current.expr) {
        newest.current.onChange(text);
      }
    };
    const run = (editor: EditorView) => {
      // What is being run is typed to its end: the list would lie over what is said of it.
      closeCompletion(editor);
      keep(editor);
      newest.current.onRun();
      return true;
    };
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: newest.current.expr,
        extensions: [
          Prec.highest(
            keymap.of([
              { key: 'Shift-Enter', run },
              { key: 'Mod-Enter', run },
              { key: 'Tab', run: acceptCompletion },
            ])
          ),
          history(),
          bracketMatching(),
          autocompletion({ icons: false }),
          keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
          EditorView.lineWrapping,
          placeholder(
            t('code.placeholder', 'Enter a PromQL query, for example {{example}}', {
              example: 'rate(http_requests_total[$__rate_interval])',
            })
          ),
          EditorView.contentAttributes.of({
            'aria-label': 'PromQL',
            'aria-keyshortcuts': 'Shift+Enter',
            id,
            spellcheck: 'false',
            autocapitalize: 'off',
          }),
          EditorView.domEventHandlers({
            blur: (_, blurred) => {
              keep(blurred);
            },
          }),
          new PromQLExtension()
            .activateLinter(false)
            .setComplete({ remote: completionSource(caller) })
            .asExtension(),
          EditorState.languageData.of(() => [
            { autocomplete: (context: CompletionContext) => completeVariable(context, newest.current.variables()) },
          ]),
          linter((linted) => mistakes(caller, linted.state.doc.toString()), { delay: 400 }),
          hoverTooltip((hovered, position) => help(caller, hovered, position)),
          syntaxHighlighting(colours(theme)),
          EditorView.theme({}, { dark: theme.isDark }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, [caller, id, theme]);

  // Undo, the query history or the builder changed the text.
  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== expr) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: expr } });
    }
  }, [expr]);

  return <div ref={host} className={styles.field} data-testid="headwater-code-editor" />;
}

/** Names and values for completion: each key asks the backend for one short, ranked page. */
export function completionSource(caller: ResourceCaller) {
  let known: Record<string, Array<{ type: string; help: string }>> = {};
  const selectorOf = (metric?: string) => (metric ? renderSelector({ kind: 'series', metric, labels: [] }) : undefined);
  return {
    async metricNames(prefix = ''): Promise<string[]> {
      const { metrics } = await searchMetrics(caller, prefix, METRICS_OFFERED);
      known = Object.fromEntries(metrics.map(({ name, type, description }) => [name, [{ type, help: description }]]));
      return metrics.map(({ name }) => name);
    },
    metricMetadata: () => Promise.resolve(known),
    async labelNames(metric?: string): Promise<string[]> {
      return (await labelNames(caller, selectorOf(metric), undefined, CHOICES)).entries;
    },
    async labelValues(label: string, metric?: string): Promise<string[]> {
      return (await labelValues(caller, label, selectorOf(metric), undefined, CHOICES)).entries;
    },
    series: () => Promise.resolve([]),
    flags: () => Promise.resolve({}),
  };
}

/** Offers the dashboard's and Grafana's own variables behind a dollar. */
export function completeVariable(context: CompletionContext, variables: string[]): CompletionResult | null {
  const before = context.matchBefore(/\$\{?\w*/);
  if (!before) {
    return null;
  }
  const close = before.text.startsWith('${') ? '}' : '';
  const open = close ? '${' : '$';
  return {
    from: before.from,
    validFor: /^\$\{?\w*$/,
    options: [
      ...variables.map((name) => ({
        label: `${open}${name}${close}`,
        type: 'variable',
        detail: t('code.of-dashboard', 'dashboard'),
      })),
      ...builtIn().map(([name, info]) => ({
        label: `${open}${name}${close}`,
        type: 'variable',
        detail: 'Grafana',
        info,
      })),
    ],
  };
}

/** What the backend calls wrong, at its place. */
export async function mistakes(caller: ResourceCaller, text: string): Promise<Diagnostic[]> {
  if (text.trim() === '') {
    return [];
  }
  // A check that cannot be had is no mistake in the text; running the query will tell.
  const verdict = await validateQuery(caller, text).catch(() => ({ valid: true }) as const);
  if (verdict.valid) {
    return [];
  }
  const end = Math.min(verdict.position.end, text.length);
  // At the end of a text there is no character to mark, so the last one is.
  const from = Math.max(0, Math.min(verdict.position.start, end === verdict.position.start ? end - 1 : end));
  return [{ from, to: end, severity: 'error', message: verdict.error }];
}

async function help(caller: ResourceCaller, view: EditorView, position: number) {
  const word = view.state.wordAt(position);
  if (!word) {
    return null;
  }
  const line = view.state.doc.lineAt(position);
  // A metric's name may hold colons, which are no letters of a word.
  const before = /[\w:]*$/.exec(line.text.slice(0, position - line.from))?.[0] ?? '';
  const after = /^[\w:]*/.exec(line.text.slice(position - line.from))?.[0] ?? '';
  const name = before + after;
  const says = functionNamed(name)?.says() ?? aggregationNamed(name)?.says();
  const facts = says ? undefined : await metricFacts(caller, name).catch(() => undefined);
  const text = says ? `${name}: ${says}` : facts && factsText(facts);
  if (!text) {
    return null;
  }
  return {
    pos: position - before.length,
    end: position + after.length,
    create: () => {
      const dom = view.dom.ownerDocument.createElement('div');
      dom.textContent = text;
      dom.className = 'headwater-help';
      return { dom };
    },
  };
}

function factsText({ name, type, unit, description }: MetricFacts): string {
  const kind = [type === 'unknown' ? '' : type, unit].filter(Boolean).join(', ');
  return `${name}${kind ? ` (${kind})` : ''}${description ? `: ${description}` : ''}`;
}

function colours(theme: GrafanaTheme2): HighlightStyle {
  const { visualization } = theme;
  const colour = (name: string) => visualization.getColorByName(name);
  return HighlightStyle.define([
    { tag: tags.keyword, color: colour('purple') },
    { tag: tags.modifier, color: colour('purple') },
    { tag: tags.function(tags.variableName), color: theme.colors.primary.text },
    { tag: tags.operatorKeyword, color: colour('purple') },
    { tag: tags.string, color: theme.colors.success.text },
    { tag: tags.number, color: theme.colors.warning.text },
    { tag: tags.labelName, color: theme.colors.info.text },
    { tag: tags.comment, color: theme.colors.text.secondary, fontStyle: 'italic' },
  ]);
}

const getStyles = (theme: GrafanaTheme2) => ({
  field: css({
    '.cm-editor': {
      minHeight: 54,
      maxHeight: 360,
      background: theme.components.input.background,
      border: `1px solid ${theme.components.input.borderColor}`,
      borderRadius: theme.shape.radius.default,
      color: theme.colors.text.primary,
      fontSize: theme.typography.bodySmall.fontSize,
    },
    '.cm-editor.cm-focused': { outline: `2px solid ${theme.colors.primary.main}`, outlineOffset: 1 },
    '.cm-scroller': { fontFamily: theme.typography.fontFamilyMonospace, lineHeight: 1.6, overflow: 'auto' },
    '.cm-content': { padding: theme.spacing(0.75, 0.5), caretColor: theme.colors.text.primary },
    '.cm-cursor': { borderLeftColor: theme.colors.text.primary },
    '.cm-placeholder': { color: theme.colors.text.disabled },
    '.cm-tooltip': {
      background: theme.colors.background.elevated,
      border: `1px solid ${theme.colors.border.weak}`,
      color: theme.colors.text.primary,
      boxShadow: theme.shadows.z3,
      zIndex: theme.zIndex.portal,
      maxWidth: 560,
    },
    '.headwater-help, .cm-diagnostic': { padding: theme.spacing(0.5, 1) },
    '.cm-tooltip-autocomplete ul li[aria-selected]': {
      background: theme.colors.action.selected,
      color: theme.colors.text.primary,
    },
    '.cm-completionDetail': { color: theme.colors.text.secondary },
  }),
});
