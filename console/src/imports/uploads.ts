/** Sends a file, previews it and starts its import. */
import { at, call, callOnce } from "../api/client";
import type { EntityDocument, Inferred, Job, Preview, Upload, Webhook } from "../api/types";
import { Problem, UNREACHABLE } from "../api/problem";
import { canSendParts, PARTS_FROM_BYTES, sendInParts, type OnProgress } from "./partUploads";

/** How the file is read. */
export interface ReadOptions {
  mode: string;
  blanks?: string;
  unescapeFormulas: boolean;
  encoding?: string;
  dialect?: Record<string, unknown>;
  columns?: Record<string, string>;
}

export interface ImportOptions extends ReadOptions {
  onError: string;
  maxErrors?: number;
  dryRun: boolean;
  keepPrevious: boolean;
  rememberColumns?: boolean;
  recipients?: string[];
  webhooks?: Webhook[];
}

type Reading = Pick<ReadOptions, "encoding" | "dialect">;

/** An upload of a file or of its beginning. It can be imported once. */
export interface SentFile {
  /** Null for a file of no entity, yet. */
  entity: string | null;
  file: File;
  isWhole: boolean;
  uploadId: string;
}

/** Sends the file or a part of it. */
export async function sendFile(
  entity: string | null,
  file: File,
  part: Blob,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<SentFile> {
  if (part === file && file.size > PARTS_FROM_BYTES && canSendParts()) {
    return { entity, file, isWhole: true, uploadId: await sendInParts(entity, file, onProgress, signal) };
  }
  const body = { entity, fileName: file.name };
  const upload = await call<Upload>("POST", "uploads", { body, signal });
  await post(upload, part, onProgress, signal);
  return { entity, file, isWhole: part === file, uploadId: upload.uploadId };
}

export function previewUpload(
  sent: SentFile,
  options: ReadOptions | (Reading & { definition: EntityDocument }),
  signal: AbortSignal,
): Promise<Preview> {
  return call<Preview>("POST", at`uploads/${sent.uploadId}/preview`, { body: options, signal });
}

/** Asks for a proposal of an entity for the file. */
export function inferEntity(sent: SentFile, options: Reading, signal: AbortSignal): Promise<Inferred> {
  return call<Inferred>("POST", at`uploads/${sent.uploadId}/infer`, { body: options, signal });
}

export function startImport(
  sent: SentFile,
  options: ImportOptions | { entity: string },
  signal: AbortSignal,
): Promise<Job> {
  return callOnce<Job>("imports", { body: { uploadId: sent.uploadId, ...options }, key: sent.uploadId, signal });
}

/** Uses XMLHttpRequest because fetch does not report upload progress. */
function post(upload: Upload, part: Blob, onProgress: OnProgress, signal: AbortSignal): Promise<void> {
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
      const detail = isTooLarge
        ? "The file exceeds the size limit for imports."
        : "The store for uploads refused the file.";
      reject(new Problem(isTooLarge ? 413 : request.status, "The file was refused", detail));
    };
    request.onerror = () => reject(UNREACHABLE);
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    if (signal.aborted) return reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
