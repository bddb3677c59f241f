/** Changes to a data source's settings, each a new object as Grafana's pages want it. */
import type { DataSourcePluginOptionsEditorProps, DataSourceSettings } from '@grafana/data';

import type { DataSourceOptions, SecureOptions } from '../types';

export type Settings = DataSourceSettings<DataSourceOptions, SecureOptions>;
export type EditorProps = DataSourcePluginOptionsEditorProps<DataSourceOptions, SecureOptions>;

/** What the parts of the editor are given. */
export interface SettingsProps {
  settings: Settings;
  onChange: (changed: Settings) => void;
}

/** The settings with other options. An option without a value is taken out: its default holds again. */
export function withOptions(settings: Settings, change: Partial<DataSourceOptions>): Settings {
  const jsonData = { ...settings.jsonData, ...change };
  for (const [key, value] of Object.entries(change)) {
    if (value === undefined || value === '') {
      delete jsonData[key as keyof DataSourceOptions];
    }
  }
  return { ...settings, jsonData };
}

/** The settings with a secret that was typed. */
export function withSecret(settings: Settings, name: string, value: string): Settings {
  return { ...settings, secureJsonData: { ...settings.secureJsonData, [name]: value } };
}

/** The settings without the secret: saving them removes it. */
export function withoutSecret(settings: Settings, name: string): Settings {
  return {
    ...settings,
    secureJsonFields: { ...settings.secureJsonFields, [name]: false },
    secureJsonData: { ...settings.secureJsonData, [name]: '' },
  };
}

/** Whether a secret of that name is stored, or was typed just now. */
export function hasSecret({ secureJsonFields, secureJsonData }: Settings, name: string): boolean {
  return Boolean(secureJsonFields?.[name] || secureJsonData?.[name]);
}
