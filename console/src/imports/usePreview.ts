/** Sends a file for its preview, and previews it with the options that are chosen. */
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Problem } from "../api/problem";
import { READ_ONCE } from "../api/queryClient";
import type { Entity, Preview } from "../api/types";
import { useDebounced } from "../common/useDebounced";
import { previewPart } from "./previewPart";
import { previewUpload, sendFile, type ReadOptions, type SentFile } from "./uploads";

const UNREADABLE = new Problem(-1, "The file cannot be read", "It was moved, changed or is a folder.");
const SETTLED_MS = 150; // several quick changes make one request
const NOTHING_SENT = { sent: null, size: 0 };

export interface FilePreview {
  /** The latest preview of this file; it stays when a later request fails. */
  preview: Preview | null;
  isBusy: boolean;
  /** How many bytes of `size` are sent; null when nothing is being sent. */
  sent: number | null;
  size: number;
  error: Error | null;
  /** Returns an upload of the whole file that can be imported: the preview's own, or a new one. */
  sendWhole: (signal: AbortSignal) => Promise<SentFile>;
  /** Marks an upload as imported: the next import needs another. */
  markUsed: (upload: SentFile) => void;
}

export function usePreview(entity: Entity | undefined, file: File | null, options: ReadOptions): FilePreview {
  const [progress, setProgress] = useState<{ sent: number | null; size: number }>(NOTHING_SENT);
  const send = async (part: Blob, signal: AbortSignal): Promise<SentFile> => {
    setProgress({ sent: 0, size: part.size });
    try {
      return await sendFile(entity!, file!, part, (sent) => setProgress({ sent, size: part.size }), signal);
    } finally {
      setProgress(NOTHING_SENT);
    }
  };
  const upload = useQuery({
    ...READ_ONCE,
    queryKey: ["upload", entity?.name, file && idOf(file)],
    queryFn: async ({ signal }) => {
      const part = await previewPart(file!).catch(() => Promise.reject(UNREADABLE));
      return send(part, signal);
    },
    enabled: entity !== undefined && file !== null,
  });
  const settled = useDebounced(JSON.stringify(options), SETTLED_MS);
  const preview = useQuery({
    ...READ_ONCE,
    queryKey: ["preview", upload.data?.uploadId, settled],
    queryFn: ({ signal }) => previewUpload(upload.data!, JSON.parse(settled) as ReadOptions, signal),
    enabled: upload.data !== undefined,
  });
  const [last, setLast] = useState<{ upload: SentFile; preview: Preview } | null>(null);
  if (upload.data && preview.data && preview.data !== last?.preview) {
    setLast({ upload: upload.data, preview: preview.data });
  }

  const whole = useRef<SentFile | null>(null);
  const used = useRef(new Set<string>());
  const sendWhole = async (signal: AbortSignal): Promise<SentFile> => {
    const forPreview = upload.isFetching ? (await upload.refetch({ cancelRefetch: false })).data : upload.data;
    const isReady = (sent: SentFile | null | undefined) =>
      sent?.isWhole && sent.file === file && sent.entity === entity?.name && !used.current.has(sent.uploadId);
    const ready = [forPreview, whole.current].find(isReady);
    return ready ?? (whole.current = await send(file!, signal));
  };
  return {
    preview: last && last.upload === upload.data ? last.preview : null,
    isBusy: upload.isFetching || preview.isFetching,
    ...progress,
    error: upload.error ?? preview.error,
    sendWhole,
    markUsed: ({ uploadId }) => void used.current.add(uploadId),
  };
}

const ids = new WeakMap<File, number>();
let files = 0;

/** Files have no identity in query keys. A file that is chosen again counts as new: it may have changed. */
function idOf(file: File): number {
  if (!ids.has(file)) ids.set(file, ++files);
  return ids.get(file)!;
}
