/** The model of a source in its form, and its conversion from and to the API's. */
import type { Source, SourceDefinition } from "../api/types";
import { editable } from "../common/editable";
import { blanksOf, type Settings } from "../imports/ImportOptions";

export type Draft = Omit<SourceDefinition, "options">;

/** Takes what can be edited from what the API returned. */
export function draftOf(given: Source): Draft {
  return editable<Source, Draft>(given, {
    sourceId: true,
    status: true,
    version: true,
    createdAt: true,
    createdBy: true,
    owner: true,
    allowedActions: true,
    isRunning: true,
    nextRunAt: true,
    lastRun: true,
    unreachable: true,
    message: true,
    pausedAt: true,
    options: true, // see `bodyOf`
  });
}

/** @param edited the options as they were. What the form does not show stays as it is; null counts as left out. */
export function bodyOf(draft: Draft, settings: Settings, edited: Source["options"] | undefined) {
  const { onError, maxErrors } = settings;
  const mode = settings.mode ?? "upsert";
  const limit = onError === "abort" ? maxErrors : null;
  const shown = { mode, onError, blanks: null, maxErrors: limit, ...blanksOf(mode, settings) };
  const moveTo = draft.after === "move" ? draft.moveTo : null;
  return { ...draft, moveTo, options: { ...edited, ...shown } };
}
