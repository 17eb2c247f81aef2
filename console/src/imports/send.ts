/** Send a file and start its import. */
import { call } from "../client";
import type { Job, Upload } from "../contract";
import { Problem, UNREACHABLE } from "../problem";

export interface ImportOptions {
  mode: string;
  onError: string;
  maxErrors?: number;
  dryRun: boolean;
  unescapeFormulas: boolean;
  encoding?: string;
  dialect?: Record<string, unknown>;
  columns?: Record<string, string>;
}

/** The job. `onProgress` is told how many bytes are sent. */
export async function sendAndImport(
  entity: string,
  file: File,
  options: ImportOptions,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
): Promise<Job> {
  const upload = await call<Upload>("POST", "uploads", { body: { entity, fileName: file.name }, signal });
  await send(upload, file, onProgress, signal);
  return call<Job>("POST", "imports", {
    body: { uploadId: upload.uploadId, ...options },
    headers: { "Idempotency-Key": upload.uploadId },
    signal,
  });
}

/** XMLHttpRequest, because fetch does not tell how much is sent. */
function send(upload: Upload, file: File, onProgress: (sent: number) => void, signal: AbortSignal): Promise<void> {
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
  form.append("file", file, "file"); // the name was given with the upload
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", upload.url);
    request.upload.onprogress = ({ loaded }) => onProgress(Math.min(loaded, file.size));
    request.onload = () => {
      if (request.status < 300) return resolve();
      const isTooLarge = request.responseText.includes("EntityTooLarge");
      const detail = isTooLarge ? "The file is larger than imports may be." : "The store for uploads refused the file.";
      reject(new Problem(isTooLarge ? 413 : request.status, "The file was not taken", detail));
    };
    request.onerror = () => reject(UNREACHABLE);
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
