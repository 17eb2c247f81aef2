/** Filters and open dialogs are in the address's query string, so that links and the back button keep them. */
import { useSearchParams } from "react-router";

type Changes = Record<string, string | null | undefined>;

/** With `replace` the change gets no entry of its own in the history. */
export function useAddress(): [URLSearchParams, (changes: Changes, options?: { replace?: boolean }) => void] {
  const [query, setQuery] = useSearchParams();
  const change = (changes: Changes, options?: { replace?: boolean }) => {
    const next = new URLSearchParams(window.location.search); // a timer's closure may hold an older one
    for (const [name, value] of Object.entries(changes)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    setQuery(next, options);
  };
  return [query, change];
}
