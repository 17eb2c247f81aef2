/** Calls of the HTTP API. */
import { API, accessToken, refused, replacement } from "../session/auth";
import type { Page } from "./types";
import { Problem, UNREACHABLE } from "./problem";

type Query = Record<string, string | number | null | undefined>;
interface Options {
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Sends a request. Paths with variable parts are made with the tag `at`, which escapes them. */
export async function call<Result>(method: string, path: string, options: Options = {}): Promise<Result> {
  const answer = await send(method, path, options);
  return (answer.status === 204 ? undefined : await answer.json()) as Result;
}

/** Reads a file that a route answers with. */
export async function fetchFile(path: string, query: Query = {}): Promise<Blob> {
  return (await send("GET", path, { query })).blob();
}

const PAUSES_MS = [500, 2000];
/** A longer wait than this is told instead. */
const LONGEST_PAUSE_MS = 20_000;

/**
 * Posts what makes something. Its key lets the request be sent again when its answer was lost: it has its effect once.
 * @param key - of the request; a new one for each call when left out.
 */
export async function callOnce<Result>(
  path: string,
  { key = crypto.randomUUID(), ...options }: Pick<Options, "body" | "signal"> & { key?: string } = {},
): Promise<Result> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await call<Result>("POST", path, { ...options, headers: { "Idempotency-Key": key } });
    } catch (error) {
      if (!(error instanceof Problem) || !(error.isPassing || error.retryAfterMs)) throw error;
      if ((error.retryAfterMs ?? 0) > LONGEST_PAUSE_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? pauseMs));
    }
  }
  return call<Result>("POST", path, { ...options, headers: { "Idempotency-Key": key } });
}

async function send(method: string, path: string, { query = {}, body, headers, signal }: Options): Promise<Response> {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  const fetchWith = (token: string) =>
    fetch(url, {
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
  const token = await accessToken();
  let answer = await fetchWith(token);
  if (answer.status === 401) {
    const renewed = await replacement(token);
    answer = await fetchWith(renewed);
    if (answer.status === 401) {
      refused(renewed, (await Problem.from(answer)).detail);
      answer = await fetchWith(await accessToken()); // of whoever signs in again
    }
  }
  if (answer.ok || answer.status === 304) return answer;
  throw await Problem.from(answer);
}

/** Escapes the variable parts of a path: at`jobs/${id}/stop`. */
export function at(parts: TemplateStringsArray, ...values: string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

/** A resource as it was last read. */
export interface Read<Resource> {
  value: Resource;
  etag?: string;
  /** How long the API asks to wait before the next read; undefined when the resource no longer changes. */
  retryAfterMs?: number;
}

/** Reads a resource. With a `known` earlier read the request is conditional; an unchanged resource keeps its `value`. */
export async function read<Resource>(
  path: string,
  known: Read<Resource> | undefined,
  { query, signal }: Pick<Options, "query" | "signal"> = {},
): Promise<Read<Resource>> {
  const headers = known?.etag ? { "If-None-Match": known.etag } : undefined;
  const answer = await send("GET", path, { query, signal, headers });
  const seconds = Number(answer.headers.get("Retry-After"));
  const retryAfterMs = seconds > 0 ? seconds * 1000 : undefined;
  const etag = answer.headers.get("ETag") ?? known?.etag;
  if (answer.status === 304 && known) return { ...known, etag, retryAfterMs }; // that of a list tells more each time
  return { value: (await answer.json()) as Resource, etag, retryAfterMs };
}

/** Reads pages until there are `wanted` items: the API filters after it reads, so a page may be short or empty. */
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
