import { useState } from 'react';

/**
 * A text while it is being typed, apart from the query that holds it.
 *
 * A query that changes at every key would redraw its whole panel at every key. The draft follows
 * when the saved text changes from outside: by undo, the query history, or another editor.
 */
export function useDraft(saved: string): [draft: string, setDraft: (text: string) => void] {
  const [draft, setDraft] = useState(saved);
  const [lastSaved, setLastSaved] = useState(saved);
  if (saved !== lastSaved) {
    setLastSaved(saved);
    setDraft(saved);
  }
  return [draft, setDraft];
}
