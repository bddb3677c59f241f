/**
 * Makes elements. Texts become text nodes and nothing else: labels, errors and names of metrics
 * come from strangers, and none of them is ever read as HTML.
 */

type Child = Node | string | number | null | undefined;

interface Attributes {
  class?: string;
  on?: Record<string, (event: Event) => void>;
  [name: string]: unknown;
}

/** An element with attributes, listeners (`on`) and children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'on') {
      for (const [event, listener] of Object.entries(attributes.on ?? {})) {
        made.addEventListener(event, listener);
      }
    } else if (value === true) {
      made.setAttribute(key, '');
    } else if (value !== undefined && value !== null && value !== false) {
      made.setAttribute(key, String(value));
    }
  }
  for (const child of children) {
    if (child !== null && child !== undefined) {
      made.append(child instanceof Node ? child : String(child));
    }
  }
  return made;
}

/** The element of index.html with this id. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) {
    throw new Error(`index.html has no ${kind.name} with the id ${id}`);
  }
  return found;
}
