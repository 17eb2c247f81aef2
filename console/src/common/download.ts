import { call } from "../api/client";
import { showProblem } from "./notices";

/** Has the browser save a file: the API returns a short-lived link that carries the file's name. */
export async function download(path: string): Promise<void> {
  const { url } = await call<{ url: string }>("GET", path, { query: { as: "link" } });
  follow({ href: url });
}

/** Saves files one after the other; one that cannot be had is told, and does not keep the others. */
export async function downloadAll(paths: string[]): Promise<void> {
  for (const path of paths) await download(path).catch(showProblem);
}

/** Has the browser save what this page holds already. */
export function saveFile(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  follow({ href: url, download: name });
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function follow(attributes: { href: string; download?: string }): void {
  const link = Object.assign(document.createElement("a"), attributes);
  link.rel = "noreferrer";
  link.click();
}
