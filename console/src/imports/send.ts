/** Send a file, look at it and start its import. */
import { call } from "../client";
import type { Entity, Job, Preview, Upload } from "../contract";
import { Problem, UNREACHABLE } from "../problem";

/** How the file is read. */
export interface ReadOptions {
  mode: string;
  unescapeFormulas: boolean;
  encoding?: string;
  dialect?: Record<string, unknown>;
  columns?: Record<string, string>;
}

export interface ImportOptions extends ReadOptions {
  onError: string;
  maxErrors?: number;
  dryRun: boolean;
}

/** Something that was sent, or is being sent. */
export interface Sending {
  entity: string;
  file: File;
  isWhole: boolean;
  uploadId: string;
}

/** `onProgress` is told how many bytes are sent. */
export async function sendFile(
  entity: Entity,
  file: File,
  part: Blob,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
): Promise<Sending> {
  const body = { entity: entity.name, fileName: file.name };
  const upload = await call<Upload>("POST", "uploads", { body, signal });
  await post(upload, part, onProgress, signal);
  return { entity: entity.name, file, isWhole: part === file, uploadId: upload.uploadId };
}

export function lookAt(sending: Sending, options: ReadOptions, signal: AbortSignal): Promise<Preview> {
  return call<Preview>("POST", `uploads/${sending.uploadId}/preview`, { body: options, signal });
}

export function startImport(sending: Sending, options: ImportOptions, signal: AbortSignal): Promise<Job> {
  return call<Job>("POST", "imports", {
    body: { uploadId: sending.uploadId, ...options },
    headers: { "Idempotency-Key": sending.uploadId },
    signal,
  });
}

/** XMLHttpRequest, because fetch does not tell how much is sent. */
function post(upload: Upload, part: Blob, onProgress: (sent: number) => void, signal: AbortSignal): Promise<void> {
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
  form.append("file", part, "file"); // the name was given with the upload
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", upload.url);
    request.upload.onprogress = ({ loaded }) => onProgress(Math.min(loaded, part.size));
    request.onload = () => {
      if (request.status < 300) return resolve();
      const isTooLarge = request.responseText.includes("EntityTooLarge");
      const detail = isTooLarge ? "The file is larger than imports may be." : "The store for uploads refused the file.";
      reject(new Problem(isTooLarge ? 413 : request.status, "The file was not taken", detail));
    };
    request.onerror = () => reject(UNREACHABLE);
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    if (signal.aborted) return reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
