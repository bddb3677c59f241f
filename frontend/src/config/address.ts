/** Reads the address that someone typed, and tells what is odd about it before it is tried. */
import { t } from '../translate';
import type { EngineKind } from '../types';

/** What to say under the address: an error that cannot work, a hint at a likely mistake. */
export interface AddressAdvice {
  error?: string;
  hint?: string;
}

/** The scrape and query APIs are reached over these and no others. */
const SCHEMES = ['http:', 'https:'];

/**
 * Judges an address for the engine that will use it.
 *
 * An empty address gets no error: someone who has not typed yet has made no mistake.
 */
export function addressAdvice(address: string, engine: EngineKind): AddressAdvice {
  const text = address.trim();
  if (text === '') {
    return {};
  }
  const url = parse(text);
  if (!url || !SCHEMES.includes(url.protocol) || url.hostname === '') {
    const example = `http://${text}`;
    return {
      error: /^[\w.-]+(:\d+)?(\/|$)/.test(text)
        ? t(
            'address.whole-example',
            'Write the whole address, starting with http:// or https://. For example: {{example}}',
            { example }
          )
        : t('address.whole', 'Write the whole address, starting with http:// or https://.'),
    };
  }
  if (url.username !== '' || url.password !== '') {
    // Grafana keeps an address as plain text, readable to everyone who may see the data source.
    return {
      error: t('address.password', 'Leave the user and password out of the address: it is stored as readable text.'),
    };
  }
  const path = url.pathname.replace(/\/+$/, '');
  if (engine === 'remote' && path.endsWith('/metrics')) {
    return {
      hint: t(
        'address.metrics-page',
        'This looks like an app’s metrics page, which answers no queries. To show it, choose “Scrape the app directly”.'
      ),
    };
  }
  if (engine === 'remote' && /\/api\/v1(\/|$)/.test(path)) {
    return { hint: t('address.api-path', 'Headwater adds /api/v1 by itself: the address usually ends before it.') };
  }
  if (engine === 'embedded' && /\/api\/v1(\/|$)/.test(path)) {
    return {
      hint: t(
        'address.server-api',
        'This looks like a Prometheus server’s API. To query it, choose “Query a Prometheus-compatible server”.'
      ),
    };
  }
  return {};
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
