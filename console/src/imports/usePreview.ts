/** Sends a file for its preview, and previews it with the options that are chosen. */
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Problem } from "../api/problem";
import { READ_ONCE } from "../api/queryClient";
import type { Entity, Preview } from "../api/types";
import { useDebounced } from "../common/useDebounced";
import type { OnProgress } from "./partUploads";
import { previewPart } from "./previewPart";
import { previewUpload, sendFile, type ReadOptions, type SentFile } from "./uploads";

const UNREADABLE = new Problem(-1, "The file cannot be read", "It was moved, changed or is a folder.");
const SETTLED_MS = 150; // several quick changes make one request
const NOTHING_SENT: Progress = { sent: null, size: 0 };

interface Progress {
  /** How many bytes of `size` are sent; null when nothing is being sent. */
  sent: number | null;
  size: number;
  /** Until when what was sent is kept if sending stops; of a large file only. */
  keptUntil?: string;
}

export interface FileUpload extends Progress {
  /** The upload of the file, or of its beginning. */
  sentFile: SentFile | undefined;
  isBusy: boolean;
  error: Error | null;
  /** Returns an upload of the whole file that can be imported: the preview's own, or a new one. */
  sendWhole: (signal: AbortSignal) => Promise<SentFile>;
  /** Marks an upload as imported: the next import needs another. */
  markUsed: (upload: SentFile) => void;
}

/**
 * Sends a file as far as a preview needs it.
 * @param entity - its name; null for a file of none, undefined while that is not known.
 * @param beginningBytes - of a long text; as many as a preview reads when left out.
 */
export function useUpload(entity: string | null | undefined, file: File | null, beginningBytes?: number): FileUpload {
  const [progress, setProgress] = useState(NOTHING_SENT);
  const send = async (part: Blob, signal: AbortSignal): Promise<SentFile> => {
    setProgress({ sent: 0, size: part.size });
    try {
      const tell: OnProgress = (sent, keptUntil) => setProgress({ sent, size: part.size, keptUntil });
      return await sendFile(entity!, file!, part, tell, signal);
    } finally {
      setProgress(NOTHING_SENT);
    }
  };
  const upload = useQuery({
    ...READ_ONCE,
    queryKey: ["upload", entity, file && idOf(file)],
    queryFn: async ({ signal }) => {
      const part = await previewPart(file!, beginningBytes).catch(() => Promise.reject(UNREADABLE));
      return send(part, signal);
    },
    enabled: entity !== undefined && file !== null,
  });

  const whole = useRef<SentFile | null>(null);
  const used = useRef(new Set<string>());
  const sendWhole = async (signal: AbortSignal): Promise<SentFile> => {
    const forPreview = upload.isFetching ? (await upload.refetch({ cancelRefetch: false })).data : upload.data;
    const isReady = (sent: SentFile | null | undefined) =>
      sent?.isWhole && sent.file === file && sent.entity === entity && !used.current.has(sent.uploadId);
    const ready = [forPreview, whole.current].find(isReady);
    return ready ?? (whole.current = await send(file!, signal));
  };
  return {
    sentFile: upload.data,
    isBusy: upload.isFetching,
    ...progress,
    error: upload.error,
    sendWhole,
    markUsed: ({ uploadId }) => void used.current.add(uploadId),
  };
}

export interface FilePreview extends FileUpload {
  /** The latest preview of this file; it stays when a later request fails. */
  preview: Preview | null;
}

export function usePreview(entity: Entity | undefined, file: File | null, options: ReadOptions): FilePreview {
  const upload = useUpload(entity?.name, file);
  const { sentFile } = upload;
  const settled = useDebounced(JSON.stringify(options), SETTLED_MS);
  const preview = useQuery({
    ...READ_ONCE,
    queryKey: ["preview", sentFile?.uploadId, settled],
    queryFn: ({ signal }) => previewUpload(sentFile!, JSON.parse(settled) as ReadOptions, signal),
    enabled: sentFile !== undefined,
  });
  const [last, setLast] = useState<{ upload: SentFile; preview: Preview } | null>(null);
  if (sentFile && preview.data && preview.data !== last?.preview) {
    setLast({ upload: sentFile, preview: preview.data });
  }
  return {
    ...upload,
    preview: last && last.upload === sentFile ? last.preview : null,
    isBusy: upload.isBusy || preview.isFetching,
    error: upload.error ?? preview.error,
  };
}

const ids = new WeakMap<File, number>();
let files = 0;

/** Files have no identity in query keys. A file that is chosen again counts as new: it may have changed. */
function idOf(file: File): number {
  if (!ids.has(file)) ids.set(file, ++files);
  return ids.get(file)!;
}
