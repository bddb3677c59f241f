/**
 * Texts stand in the code in English, each under a key; translations would be loaded here.
 *
 * The editors wait for it: before, Grafana's own texts of the same keys could be taken for ours.
 */
import { initPluginTranslations } from '@grafana/i18n';

import plugin from '../../plugin.json';

export const ready = initPluginTranslations(plugin.id);
