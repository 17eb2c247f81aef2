/**
 * Sends a large file in parts: several at once, each again if it fails. After a reload the same file goes on where it
 * stopped: the browser remembers the upload, and the service which parts of it have arrived.
 */
import { at, call } from "../api/client";
import { isAbort, Problem, UNREACHABLE } from "../api/problem";
import type { PartAddresses, UploadInParts, UploadStatus } from "../api/types";

/** Larger files are sent in parts. */
export const PARTS_FROM_BYTES = 64 * 1024 * 1024;
const AT_ONCE = 4;
const PAUSES_MS = [1_000, 2_000, 5_000, 15_000, 30_000, 60_000, 60_000];
const MEMORY = "waybill.uploads";
const REMEMBERED = 20;

/** Calls and waits, as the tests replace them. */
export const SERVICE = { call, put, pause };

/** Whether the browser can calculate checksums: it can on pages that came by HTTPS, and from this computer. */
export function canSendParts(): boolean {
  return globalThis.crypto?.subtle !== undefined;
}

/**
 * Is told how many bytes have arrived, and until when the service keeps them if no more follow; of a file that is not
 * sent in parts nothing is kept.
 */
export type OnProgress = (sent: number, keptUntil?: string) => void;

/** Sends the whole file; returns the id of its upload, which is complete. */
export async function sendInParts(
  entity: string | null,
  file: File,
  onProgress: OnProgress,
  signal: AbortSignal,
  service: typeof SERVICE = SERVICE,
): Promise<string> {
  const fingerprint = await sha256(
    new TextEncoder().encode(JSON.stringify([entity, file.name, file.size, file.lastModified])),
  );
  const { uploadId, partBytes, there, isComplete, keptUntil } =
    (await begunBefore(fingerprint, file, signal, service)) ?? (await begin(entity, file, signal, service));
  remember(fingerprint, uploadId);
  onProgress(0, keptUntil);

  const count = Math.ceil(file.size / partBytes);
  const digests: Uint8Array<ArrayBuffer>[] = [];
  const done = Array.from({ length: count }, () => 0);
  let sent = 0;
  const tell = (index: number, bytes: number) => {
    sent += bytes - done[index]!;
    done[index] = bytes;
    onProgress(sent, keptUntil);
  };
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);

  const sendPart = async (index: number) => {
    const part = file.slice(index * partBytes, (index + 1) * partBytes);
    const data = await part.arrayBuffer().catch(() => Promise.reject(CHANGED));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    digests[index] = digest;
    const checksum = base64(digest);
    if (!isComplete && there.get(index + 1) !== checksum) {
      const body = { parts: [{ partNumber: index + 1, sha256: checksum }] };
      await patiently(
        async () => {
          const path = at`uploads/${uploadId}/parts`;
          const answer = await service.call<PartAddresses>("POST", path, { body, signal: stop });
          const { url, headers } = answer.parts[0]!;
          await service.put(url, headers, data, (bytes) => tell(index, bytes), stop);
        },
        stop,
        service,
      );
    }
    tell(index, part.size);
  };
  let next = 0;
  const work = async () => {
    while (next < count) {
      stop.throwIfAborted();
      await sendPart(next++);
    }
  };
  const workers = Array.from({ length: Math.min(AT_ONCE, count) }, work);
  try {
    await Promise.all(workers);
  } catch (error) {
    failed.abort();
    await Promise.allSettled(workers);
    throw error;
  }
  const whole = new Uint8Array(await new Blob(digests).arrayBuffer());
  const body = { checksum: `${await sha256(whole)}-${count}` };
  const complete = () => service.call<UploadStatus>("POST", at`uploads/${uploadId}/complete`, { body, signal });
  await patiently(complete, signal, service);
  return uploadId;
}

interface Begun {
  uploadId: string;
  partBytes: number;
  /** The checksums of the parts that have arrived, by their numbers. */
  there: Map<number, string>;
  isComplete: boolean;
  keptUntil: string;
}

async function begin(entity: string | null, file: File, signal: AbortSignal, service: typeof SERVICE): Promise<Begun> {
  const body = { entity, fileName: file.name, sizeBytes: file.size };
  const { uploadId, partBytes, expiresAt } = await service.call<UploadInParts>("POST", "uploads", { body, signal });
  return { uploadId, partBytes, there: new Map(), isComplete: false, keptUntil: expiresAt };
}

/** The upload of this file that an earlier page began, if it can go on and was not imported. */
async function begunBefore(
  fingerprint: string,
  file: File,
  signal: AbortSignal,
  service: typeof SERVICE,
): Promise<Begun | null> {
  const uploadId = remembered()[fingerprint];
  if (typeof uploadId !== "string") return null;
  try {
    const status = await service.call<UploadStatus>("GET", at`uploads/${uploadId}`, { signal });
    if (status.jobId !== null || status.sizeBytes !== file.size || status.partBytes === null) return null;
    const there = new Map(status.parts.map(({ partNumber, sha256 }) => [partNumber, sha256]));
    const { partBytes, isComplete, expiresAt } = status;
    return { uploadId, partBytes, there, isComplete, keptUntil: expiresAt };
  } catch (error) {
    if (isAbort(error) || Problem.of(error).isPassing) throw error;
    return null; // it has expired, or somebody else has signed in
  }
}

function remembered(): Record<string, unknown> {
  try {
    const known = JSON.parse(localStorage.getItem(MEMORY) ?? "{}") as unknown;
    return typeof known === "object" && known !== null ? (known as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function remember(fingerprint: string, uploadId: string): void {
  const others = Object.entries(remembered()).filter(([name]) => name !== fingerprint);
  const newest = [...others, [fingerprint, uploadId] as const].slice(-REMEMBERED);
  try {
    localStorage.setItem(MEMORY, JSON.stringify(Object.fromEntries<unknown>(newest)));
  } catch {
    // without memory an upload cannot be resumed, but sent
  }
}

const CHANGED = new Problem(
  -1,
  "The file cannot be read",
  "It was moved or changed while it was sent. Choose it again.",
);

/** Repeats what may go better next time: without a connection, with a busy service, or an address that has expired. */
async function patiently<Result>(
  work: () => Promise<Result>,
  signal: AbortSignal,
  service: typeof SERVICE,
): Promise<Result> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || isAbort(error)) throw error;
      const problem = Problem.of(error);
      if (!problem.isPassing && !problem.retryAfterMs && problem !== EXPIRED) throw error;
      await service.pause(problem.retryAfterMs ?? pauseMs, signal);
    }
  }
  return work();
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    const stopped = () => (clearTimeout(timer), reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", stopped, { once: true });
  });
}

const EXPIRED = new Problem(403, "The file was refused", "The address of a part has expired.");

/** Uses XMLHttpRequest because fetch does not report upload progress. */
function put(
  url: string,
  headers: Record<string, string>,
  data: ArrayBuffer,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () => {
      if (request.status < 300) return resolve();
      if (request.status === 403) return reject(EXPIRED);
      const isPassing = request.status >= 500;
      reject(isPassing ? UNREACHABLE : new Problem(request.status, "The file was refused", REFUSED));
    };
    request.onerror = () => reject(UNREACHABLE);
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    if (signal.aborted) return reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(data);
  });
}

const REFUSED = "The store for uploads refused a part of the file. Choose the file again.";

async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
