/** Calls of the HTTP API. */
import { API, accessToken, signOut } from "./auth";
import type { Page } from "./contract";
import { Problem, UNREACHABLE } from "./problem";

type Query = Record<string, string | number | null | undefined>;
interface Options {
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** `path` is made with the tag `at`, which escapes what it is given. */
export async function call<Result>(method: string, path: string, options: Options = {}): Promise<Result> {
  const answer = await send(method, path, options);
  return (answer.status === 204 ? undefined : await answer.json()) as Result;
}

async function send(method: string, path: string, { query = {}, body, headers, signal }: Options): Promise<Response> {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  const token = await accessToken();
  const answer = await fetch(url, {
    method,
    signal,
    cache: "no-store",
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch((error: unknown) => {
    throw signal?.aborted ? error : UNREACHABLE;
  });
  if (answer.ok || answer.status === 304) return answer;
  if (answer.status === 401) signOut();
  throw await Problem.from(answer);
}

/** A path with its variable parts escaped: at`jobs/${id}/stop`. */
export function at(parts: TemplateStringsArray, ...values: string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

/** The resource if it has changed since `etag`, else null. */
export async function callIfChanged<Result>(
  path: string,
  etag: string | undefined,
  signal?: AbortSignal,
  query: Query = {},
): Promise<{ value: Result; etag: string | undefined } | null> {
  const answer = await send("GET", path, { query, signal, headers: etag ? { "If-None-Match": etag } : {} });
  if (answer.status === 304) return null;
  return { value: await answer.json(), etag: answer.headers.get("ETag") ?? undefined };
}

/** Pages until there are `wanted` items: filters apply after the read, so that a page may be short, or empty. */
export async function pages<Item>(
  path: string,
  query: Query,
  { wanted = 100, from = null, signal }: { wanted?: number; from?: string | null; signal?: AbortSignal } = {},
): Promise<Page<Item>> {
  const items: Item[] = [];
  let nextToken = from;
  do {
    const page: Page<Item> = await call("GET", path, { query: { limit: 100, ...query, nextToken }, signal });
    items.push(...page.items);
    nextToken = page.nextToken;
  } while (nextToken !== null && items.length < wanted);
  return { items, nextToken };
}

/** Let the browser save a file: the API mints a link, which names the file. */
export async function download(path: string): Promise<void> {
  const { url } = await call<{ url: string }>("GET", path, { query: { as: "link" } });
  const link = document.createElement("a");
  link.href = url;
  link.rel = "noreferrer";
  link.click();
}
