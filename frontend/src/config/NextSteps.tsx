/** What to do with a data source that is saved. */
import { config, locationService } from '@grafana/runtime';
import { Card, Grid, Stack, Text } from '@grafana/ui';

import { t } from '../translate';
import type { Settings } from './settings';

export function NextSteps({ settings }: { settings: Settings }) {
  const { uid, type } = settings;
  const panes = JSON.stringify({
    a: { datasource: uid, queries: [{ refId: 'A', datasource: { type, uid } }], range: { from: 'now-1h', to: 'now' } },
  });
  const steps = [
    {
      href: `/explore?schemaVersion=1&orgId=${config.bootData?.user?.orgId ?? 1}&panes=${encodeURIComponent(panes)}`,
      title: t('config.next.explore', 'Explore the metrics'),
      text: t('config.next.explore-text', 'See what there is, with example queries made for this app.'),
    },
    {
      href: `/connections/datasources/edit/${uid}/dashboards`,
      title: t('config.next.dashboards', 'Import a ready-made dashboard'),
      text: t('config.next.dashboards-text', 'Dashboards that come with Headwater.'),
    },
    {
      href: `/dashboard/new-with-ds/${uid}`,
      title: t('config.next.build', 'Build a dashboard'),
      text: t('config.next.build-text', 'Begin with an empty panel on this data source.'),
    },
  ];
  return (
    <section aria-label={t('config.next.title', 'Next steps')}>
      <Stack direction="column" gap={1}>
        <Text element="h4">{t('config.next.title', 'Next steps')}</Text>
        <Grid gap={2} minColumnWidth={34}>
          {steps.map(({ href, title, text }) => (
            <Card
              key={href}
              noMargin
              href={config.appSubUrl + href}
              // Without loading the whole page again.
              onClick={(event) => {
                event.preventDefault();
                locationService.push(href);
              }}
            >
              <Card.Heading>{title}</Card.Heading>
              <Card.Description>{text}</Card.Description>
            </Card>
          ))}
        </Grid>
      </Stack>
    </section>
  );
}
