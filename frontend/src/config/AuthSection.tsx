/** How the address is asked: as whom, over which TLS, with which headers. */
import { Auth, AuthMethod, ConfigSubSection, convertLegacyAuthProps } from '@grafana/plugin-ui';
import { Box } from '@grafana/ui';
import { useState } from 'react';

import { t } from '../translate';
import type { EngineKind } from '../types';
import { SecretField, TextField } from './fields';
import { hasSecret, type SettingsProps, withOptions, withoutSecret, withSecret } from './settings';

const BEARER = 'custom-bearer';
type TlsProps = ReturnType<typeof convertLegacyAuthProps>['TLS'];
type Method = AuthMethod | typeof BEARER;

export function AuthSection({ settings, onChange, engine }: SettingsProps & { engine: EngineKind }) {
  const { jsonData, readOnly } = settings;
  const props = convertLegacyAuthProps({ config: settings, onChange });
  // A token that is about to be typed is nowhere in the settings yet.
  const [tokenWanted, setTokenWanted] = useState(hasSecret(settings, 'apiKey'));
  const hasToken = tokenWanted || hasSecret(settings, 'apiKey');
  const selected: Method = settings.basicAuth
    ? AuthMethod.BasicAuth
    : jsonData.oauthPassThru
      ? AuthMethod.OAuthForward
      : hasToken
        ? BEARER
        : AuthMethod.NoAuth;

  const select = (method: string) => {
    setTokenWanted(method === BEARER);
    const chosen = {
      ...settings,
      basicAuth: method === AuthMethod.BasicAuth,
      jsonData: { ...jsonData, oauthPassThru: method === AuthMethod.OAuthForward },
    };
    // A token that stayed behind would still be sent.
    onChange(method !== BEARER && hasSecret(settings, 'apiKey') ? withoutSecret(chosen, 'apiKey') : chosen);
  };

  const bearer = (
    <SecretField
      label={t('config.auth.key', 'API key or token')}
      description={t(
        'config.auth.key-description',
        'Sent as “Authorization: Bearer …”. Stored encrypted, and never shown again.'
      )}
      stored={Boolean(settings.secureJsonFields?.apiKey)}
      value={settings.secureJsonData?.apiKey}
      placeholder={t('config.auth.no-key', 'No key')}
      disabled={readOnly}
      onChange={(key) => onChange(withSecret(settings, 'apiKey', key))}
      onReset={() => {
        setTokenWanted(true);
        onChange(withoutSecret(settings, 'apiKey'));
      }}
    />
  );

  return (
    <>
      <Auth
        {...props}
        TLS={tlsProps(props.TLS)}
        selectedMethod={selected}
        onAuthMethodSelect={select}
        // Scraping goes on while nobody is there whose identity could be forwarded.
        visibleMethods={[
          AuthMethod.NoAuth,
          AuthMethod.BasicAuth,
          BEARER,
          ...(engine === 'remote' ? [AuthMethod.OAuthForward] : []),
        ]}
        customMethods={[
          {
            id: BEARER,
            label: t('config.auth.bearer', 'API key or bearer token'),
            description: t('config.auth.bearer-description', 'Sent with every request as a bearer token'),
            component: bearer,
          },
        ]}
      />
      {engine === 'remote' && (
        <Box marginTop={3}>
          <ConfigSubSection title={t('config.auth.cookies', 'Cookies')}>
            <TextField
              label={t('config.auth.keep-cookies', 'Allowed cookies')}
              description={t(
                'config.auth.keep-cookies-description',
                'Names of the viewer’s cookies that are passed on to the server, with commas between them.'
              )}
              placeholder={t('config.auth.no-cookies', 'None')}
              disabled={readOnly}
              value={jsonData.keepCookies?.join(', ')}
              onChange={(text) => {
                const names = text.split(',').map((name) => name.trimStart());
                onChange(withOptions(settings, { keepCookies: text.trim() === '' ? undefined : names }));
              }}
            />
          </ConfigSubSection>
        </Box>
      )}
    </>
  );
}

/** The switches as on or off: what was never set counts as off. */
function tlsProps(tls: TlsProps): TlsProps {
  return (
    tls && {
      selfSignedCertificate: { ...tls.selfSignedCertificate, enabled: Boolean(tls.selfSignedCertificate.enabled) },
      TLSClientAuth: {
        ...tls.TLSClientAuth,
        enabled: Boolean(tls.TLSClientAuth.enabled),
        serverName: tls.TLSClientAuth.serverName ?? '',
      },
      skipTLSVerification: { ...tls.skipTLSVerification, enabled: Boolean(tls.skipTLSVerification.enabled) },
    }
  );
}
