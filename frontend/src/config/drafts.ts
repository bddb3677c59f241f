/** Asks the backend about settings that are not saved yet: `api/drafts.rs`, in the browser. */
import { getBackendSrv } from '@grafana/runtime';
import { lastValueFrom } from 'rxjs';

import { t } from '../translate';
import type { RelabelRule } from '../types';
import type { Settings } from './settings';

/** A metric that a page holds. */
export interface FoundMetric {
  name: string;
  type: string | null;
  help: string | null;
  series: number;
}

/** Something that a page does. */
export interface Finding {
  rule: string;
  severity: 'loss' | 'wrong' | 'advice';
  line: number;
  metric: string;
  text: string;
  times: number;
}

/** What came of asking a target once. */
export type Trial =
  | { ok: false; error: string }
  | {
      ok: true;
      url: string;
      targets: number;
      dropped: number;
      /** The Prometheus-compatible server whose own page this is. */
      server: string | null;
      page: {
        format: string | null;
        bytes: number;
        refusal: { line: number | null; column: number | null; reason: string } | null;
        series: number;
        samples: number;
        lost_samples: number;
        metrics: FoundMetric[];
        metricCount: number;
        findings: Finding[];
        findingCount: number;
      };
    };

/** A mistake in a text of rules. */
export interface RulesMistake {
  line: number;
  reason: string;
}

/** Asks the target at `jsonData.targets[entry]` once; without `entry` the page at `url`. */
export function tryTarget({ uid, url, basicAuth, basicAuthUser, jsonData, secureJsonData }: Settings, entry?: number) {
  return ask<Trial>(uid, 'try', {
    url: url ?? '',
    ...(basicAuth ? { basicAuthUser } : {}),
    jsonData,
    // Only what was typed here; what is stored never comes to the browser.
    secrets: secureJsonData ?? {},
    ...(entry === undefined ? {} : { entry }),
  });
}

/** Reads a text of rules into what settings hold. */
export function readRules(uid: string, yaml: string) {
  return ask<{ rules?: RelabelRule[]; mistakes?: RulesMistake[] }>(uid, 'rules', { yaml });
}

async function ask<T>(uid: string, what: string, data: unknown): Promise<T> {
  const url = `/api/datasources/uid/${uid}/resources/drafts/${what}`;
  const answer = await lastValueFrom(
    getBackendSrv().fetch<T>({ method: 'POST', url, data, showErrorAlert: false, showSuccessAlert: false })
  );
  return answer.data;
}

/** The text of a failed call, whatever shape it has. */
export function failureText(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    const { data, message, statusText } = error as {
      data?: { message?: string };
      message?: string;
      statusText?: string;
    };
    return data?.message || message || statusText || t('config.unknown-error', 'unknown error');
  }
  return String(error);
}
