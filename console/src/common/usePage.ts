import { useState } from "react";

/** The number of the page that is shown of a list: the first one again whenever the list's filter changes. */
export function usePage(filter: object): [number, (page: number) => void] {
  const key = JSON.stringify(filter);
  const [state, setState] = useState({ key, page: 1 });
  return [state.key === key ? state.page : 1, (page) => setState({ key, page })];
}
