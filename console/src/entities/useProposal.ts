/** Has the service propose an entity for a file, and judge the first rows by the definition as it is edited. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Problem } from "../api/problem";
import { READ_ONCE } from "../api/queryClient";
import type { EntityDocument, Inferred, Preview } from "../api/types";
import { useDebounced } from "../common/useDebounced";
import { readingOptions, type Reading } from "../imports/Detected";
import { inferEntity, previewUpload, type SentFile } from "../imports/uploads";

const TYPING_MS = 600; // previews are counted: a caller has twenty a minute
const MOST_WAITS = 5;

interface Judgement {
  inferred: Inferred | undefined;
  /** What is proposed is being asked for. */
  isInferring: boolean;
  inferError: Error | null;
  /** The latest judgement of this file; it stays while the next one is awaited. */
  preview: Preview | null;
  isJudging: boolean;
  /** Why the definition as it is now was not judged. */
  judgeError: Problem | null;
}

export function useProposal(
  upload: SentFile | undefined,
  reading: Reading,
  definition: EntityDocument | null,
): Judgement {
  const options = readingOptions(reading);
  const inferred = useQuery({
    ...READ_ONCE,
    queryKey: ["infer", upload?.uploadId, JSON.stringify(options)],
    queryFn: ({ signal }) => inferEntity(upload!, options, signal),
    enabled: upload !== undefined,
  });
  const settled = useDebounced(JSON.stringify(definition), TYPING_MS);
  const judged = useQuery({
    ...READ_ONCE,
    queryKey: ["judge", upload?.uploadId, JSON.stringify(options), settled],
    queryFn: ({ signal }) =>
      previewUpload(upload!, { ...options, definition: JSON.parse(settled) as EntityDocument }, signal),
    enabled: upload !== undefined && !inferred.isPending && settled !== "null",
    retry: (count, error) => count < MOST_WAITS && Problem.of(error).status === 429,
    retryDelay: (_, error) => Problem.of(error).retryAfterMs ?? TYPING_MS,
  });
  const [last, setLast] = useState<{ upload: SentFile; preview: Preview } | null>(null);
  if (upload && judged.data && judged.data !== last?.preview) setLast({ upload, preview: judged.data });
  const failure = judged.error ?? judged.failureReason;
  return {
    inferred: inferred.data,
    isInferring: inferred.isFetching,
    inferError: inferred.error,
    preview: last && last.upload === upload ? last.preview : null,
    isJudging: judged.isFetching || settled !== JSON.stringify(definition),
    judgeError: failure && Problem.of(failure),
  };
}
