import { useState } from "react";

/** The number of a list's page; it goes back to 1 when the filter changes. */
export function usePage(filter: object): [number, (page: number) => void] {
  const key = JSON.stringify(filter);
  const [state, setState] = useState({ key, page: 1 });
  return [state.key === key ? state.page : 1, (page) => setState({ key, page })];
}
