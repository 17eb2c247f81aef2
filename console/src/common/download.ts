import { call } from "../api/client";

/** Has the browser save a file: the API returns a short-lived link that carries the file's name. */
export async function download(path: string): Promise<void> {
  const { url } = await call<{ url: string }>("GET", path, { query: { as: "link" } });
  follow({ href: url });
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
