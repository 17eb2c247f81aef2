/** Imports several files, one after the other: what becomes of one is told, and does not hold up the others. */
import { isAbort, Problem } from "../api/problem";
import type { Entity, Job, Preview } from "../api/types";
import { proposedMapping, renamed } from "./columnMapping";
import { hidesLacking, proposedMode } from "./effect";
import type { OnProgress } from "./partUploads";
import { previewPart } from "./previewPart";
import { previewUpload, sendFile, startImport, type ImportOptions, type ReadOptions, type SentFile } from "./uploads";

export type FileState =
  | { kind: "waiting" }
  | { kind: "sending"; sent: number; keptUntil?: string }
  | { kind: "checking" }
  | { kind: "held"; seconds: number }
  | { kind: "failed"; problem: Problem }
  | { kind: "stopped" }
  | { kind: "started"; job: Job; mode: string };

/** What the files have in common: the entity, and the options but for what depends on the header of each. */
export interface Common {
  entity: Entity;
  /** Null: the one that each file needs. */
  mode: string | null;
  /** The options of a file, when its mode and renamed columns are known. */
  options: (mode: string, columns: Record<string, string>) => ImportOptions;
  /** Options that say how a file is read, for the check of its header. */
  reading: (mode: string, columns: Record<string, string>) => ReadOptions;
  /** The fields that were chosen for files with these labels. */
  mappingOf: (labels: string[]) => (string | null)[] | undefined;
}

/** The calls of the API. */
export const SERVICE = { previewPart, sendFile, previewUpload, startImport };

const LONGEST_HOLD_MS = 10 * 60_000;

export async function importFiles(
  files: File[],
  common: Common,
  tell: (file: File, state: FileState) => void,
  signal: AbortSignal,
  service: typeof SERVICE = SERVICE,
): Promise<void> {
  for (const file of files) tell(file, { kind: "waiting" });
  for (const file of files) {
    if (signal.aborted) {
      tell(file, { kind: "stopped" });
      continue;
    }
    try {
      tell(file, await importOne(file, common, (state) => tell(file, state), signal, service));
    } catch (error) {
      const wasStopped = signal.aborted || isAbort(error);
      tell(file, wasStopped ? { kind: "stopped" } : { kind: "failed", problem: Problem.of(error) });
    }
  }
}

async function importOne(
  file: File,
  { entity, mode: chosenMode, options, reading, mappingOf }: Common,
  tell: (state: FileState) => void,
  signal: AbortSignal,
  service: typeof SERVICE,
): Promise<FileState> {
  const send = (part: Blob): Promise<SentFile> => {
    tell({ kind: "sending", sent: 0 });
    const told: OnProgress = (sent, keptUntil) => tell({ kind: "sending", sent, keptUntil });
    return service.sendFile(entity.name, file, part, told, signal);
  };
  const look = async (sent: SentFile, mode: string, columns: Record<string, string>): Promise<Preview> => {
    tell({ kind: "checking" });
    return patiently(() => service.previewUpload(sent, reading(mode, columns), signal), tell, signal);
  };
  const beginning = await send(await service.previewPart(file).catch(() => Promise.reject(UNREADABLE)));
  const seen = await look(beginning, chosenMode ?? "upsert", {});
  const mapping = mappingOf(seen.labels) ?? proposedMapping(seen.proposals);
  const columns = renamed(seen.labels, mapping, seen.proposals);
  const mode = chosenMode ?? proposedMode(mapping, entity, hidesLacking(seen));
  const isJudged = mode === (chosenMode ?? "upsert") && Object.keys(columns).length === 0;
  const { error } = isJudged ? seen : await look(beginning, mode, columns);
  if (error && error.code !== "too-large") {
    throw new Problem(422, "Not imported", `${error.message ?? "The file cannot be imported"} (${error.code}).`);
  }
  const whole = beginning.isWhole ? beginning : await send(file);
  const body = options(mode, columns);
  return { kind: "started", mode, job: await patiently(() => service.startImport(whole, body, signal), tell, signal) };
}

const UNREADABLE = new Problem(-1, "The file cannot be read", "It was moved or changed.");

/** Asks again when the service says that a caller asks too much, after as long as it says. */
async function patiently<Result>(
  ask: () => Promise<Result>,
  tell: (state: FileState) => void,
  signal: AbortSignal,
): Promise<Result> {
  for (let held = 0; ;) {
    try {
      return await ask();
    } catch (error) {
      const { status, retryAfterMs } = Problem.of(error);
      if (status !== 429 || !retryAfterMs || held > LONGEST_HOLD_MS) throw error;
      held += retryAfterMs;
      tell({ kind: "held", seconds: Math.ceil(retryAfterMs / 1000) });
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, retryAfterMs);
        signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
      });
      signal.throwIfAborted();
    }
  }
}
