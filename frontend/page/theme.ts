/** Light, dark, or as the system has it. */
import { byId } from './element';

const KEY = 'headwater-theme';
const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

/** Lets the button go through the themes; `changed` is called when other colours are in force. */
export function theme(changed: () => void): void {
  const button = byId('theme', HTMLButtonElement);
  const kept = localStorage.getItem(KEY);
  let current: Theme = THEMES.find((known) => known === kept) ?? 'system';
  const apply = () => {
    if (current === 'system') {
      delete document.documentElement.dataset.theme;
    } else {
      document.documentElement.dataset.theme = current;
    }
    button.textContent = `Theme: ${current}`;
    changed();
  };
  button.addEventListener('click', () => {
    current = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? 'system';
    localStorage.setItem(KEY, current);
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  apply();
}
