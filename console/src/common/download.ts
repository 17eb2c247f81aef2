import { call } from "../api/client";

/** Has the browser save a file: the API returns a short-lived link that carries the file's name. */
export async function download(path: string): Promise<void> {
  const { url } = await call<{ url: string }>("GET", path, { query: { as: "link" } });
  const link = document.createElement("a");
  link.href = url;
  link.rel = "noreferrer";
  link.click();
}
