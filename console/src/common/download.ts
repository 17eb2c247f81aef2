import { call } from "../api/client";

/** Has the browser save a file of the API, which makes a link that names the file. */
export async function download(path: string): Promise<void> {
  const { url } = await call<{ url: string }>("GET", path, { query: { as: "link" } });
  const link = document.createElement("a");
  link.href = url;
  link.rel = "noreferrer";
  link.click();
}
