/** Where the samples lie, as the backend tells it with its health. */
import { getBackendSrv } from '@grafana/runtime';
import { Field, Text } from '@grafana/ui';
import { useEffect, useState } from 'react';
import { lastValueFrom } from 'rxjs';

import { t } from '../translate';

interface Health {
  details?: { dataDir?: string; diskBytes?: string; series?: string };
}

export function DataFolder({ uid, saved }: { uid: string; saved: boolean }) {
  const [details, setDetails] = useState<Health['details']>();
  useEffect(() => {
    let left = false;
    if (saved) {
      // Without an answer there is nothing to show, and Save & test says why.
      const url = `/api/datasources/uid/${uid}/health`;
      // Grafana's server remembers settings for seconds, and would ask the backend with those before the save.
      const headers = { 'X-Grafana-NoCache': 'true' };
      lastValueFrom(
        getBackendSrv().fetch<Health>({ url, headers, showErrorAlert: false, showSuccessAlert: false })
      ).then(
        ({ data }) => left || setDetails(data.details),
        (error: { data?: Health }) => left || setDetails(error.data?.details)
      );
    }
    return () => {
      left = true;
    };
  }, [uid, saved]);
  const description = t(
    'config.storage.folder-description',
    'On Grafana’s server. Its administrator sets another one with data_dir in the section [plugin.headwater-metrics-datasource] of Grafana’s configuration.'
  );
  return (
    <Field label={t('config.storage.folder', 'Data folder')} description={description}>
      <div>
        {details?.dataDir ? (
          <Text variant="code">{details.dataDir}</Text>
        ) : (
          <Text color="secondary">{t('config.storage.folder-later', 'Shown once the data source is saved.')}</Text>
        )}
        {details?.diskBytes !== undefined && (
          <Text color="secondary" element="p" variant="bodySmall">
            {t('config.storage.used', '{{size}} MiB on disk, {{series}} series in memory', {
              size: (Number(details.diskBytes) / 2 ** 20).toFixed(1),
              series: details.series ?? '0',
            })}
          </Text>
        )}
      </div>
    </Field>
  );
}
