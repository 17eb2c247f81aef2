/** After an upgrade an open page asks for parts that the new build has replaced: it is loaded again, once. */

const RELOADED_TO = "waybill.reloaded-to";

/** The file name of a page's entry script, which changes with every build. */
export function entryOf(page: Document): string | null {
  return page.querySelector("script[type=module][src]")?.getAttribute("src")?.split("/").at(-1) ?? null;
}

/**
 * Whether to load the page again, and the builds it was loaded again for, with this one.
 *
 * Each build is tried once. Two builds that are served in turn, as while an upgrade is rolled out, make no loop.
 */
export function reloadFor(served: string | null, running: string | null, tried: string[]): string[] | null {
  return served === null || served === running || tried.includes(served) ? null : [...tried, served];
}

/** The page as the server has it now; null when it cannot be had. */
async function servedPage(): Promise<Document | null> {
  try {
    const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null; // offline
  }
}

/** Loads the page again if the server has another build of the console; whether it does. */
export async function reloadAfterUpgrade(): Promise<boolean> {
  const page = await servedPage();
  const tried = JSON.parse(sessionStorage.getItem(RELOADED_TO) ?? "[]") as string[];
  const builds = reloadFor(page && entryOf(page), entryOf(document), tried);
  if (builds === null) return false;
  sessionStorage.setItem(RELOADED_TO, JSON.stringify(builds));
  location.reload();
  return true;
}

/** Loads the page again if the server has it; whether it does. */
export async function reloadIfServed(): Promise<boolean> {
  if ((await servedPage()) === null) return false;
  location.reload();
  return true;
}
