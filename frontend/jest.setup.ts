/** What @grafana/ui expects of a browser and jsdom does not have. */
import '@testing-library/jest-dom';
import { TextDecoder, TextEncoder } from 'node:util';

// i18next advertises its makers when it is loaded.
console.info = () => undefined;

Object.assign(globalThis, { TextDecoder, TextEncoder });

Object.defineProperty(globalThis, 'matchMedia', {
  writable: true,
  value: (query: string) => ({
    matches: false,
    media: query,
    onchange: null,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    addListener: () => undefined,
    removeListener: () => undefined,
    dispatchEvent: () => false,
  }),
});

// Combobox measures its choices' texts on a canvas.
HTMLCanvasElement.prototype.getContext = (() => ({
  measureText: (text: string) => ({ width: text.length * 8 }),
})) as never;

class IdleObserver {
  observe() {}
  unobserve() {}
  disconnect() {}
  takeRecords() {
    return [];
  }
}
Object.assign(globalThis, { ResizeObserver: IdleObserver, IntersectionObserver: IdleObserver });

// What React or a component complains of is a defect, so it fails the test that saw it.
let complaints: unknown[][] = [];
beforeEach(() => {
  complaints = [];
  jest.spyOn(console, 'error').mockImplementation((...complaint) => complaints.push(complaint));
  jest.spyOn(console, 'warn').mockImplementation((...complaint) => complaints.push(complaint));
});
afterEach(() => {
  expect(complaints).toEqual([]);
});
