/** The query string of the address holds filters and open dialogs, so that links and the back button keep them. */
import { useSearchParams } from "react-router";

type Changes = Record<string, string | null | undefined>;

/** `replace`: the change is no step of its own for the back button. */
export function useAddress(): [URLSearchParams, (changes: Changes, options?: { replace?: boolean }) => void] {
  const [query, setQuery] = useSearchParams();
  const change = (changes: Changes, options?: { replace?: boolean }) => {
    const next = new URLSearchParams(window.location.search); // as it is now: a timer's own copy may be older
    for (const [name, value] of Object.entries(changes)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    setQuery(next, options);
  };
  return [query, change];
}
