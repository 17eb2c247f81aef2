/** The model of an export in the wizard, and its conversion from and to the API's. */
import type { ProblemMember } from "../../api/problem";
import type { Definition, Entity, Export, ExportType } from "../../api/types";
import { editable } from "../../common/editable";
import { ZONE } from "../../common/Time";
import { conditionOf, typedCondition, type TypedCondition } from "../conditions";
import { DESTINATIONS } from "../destinations";
import { isIncremental, isPeriodic } from "../labels";
import { DAYS } from "../schedule";

export type Draft = Omit<Definition, "filter"> & { conditions: TypedCondition[] };

export interface StepProps {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
}

export function newDraft(entity: string): Draft {
  return { name: "", entity, type: "ONE_SHOT", conditions: [] };
}

/** Under which the wizard keeps what is typed. */
export function formKey(user: string, exportId: string | undefined): string {
  return `${user}/exports/${exportId ?? "new"}`;
}

/** Takes what can be edited from what the API returned. */
export function draftOf(given: Export): Draft {
  const { filter, ...rest } = editable<Export, Definition>(given, {
    exportId: true,
    status: true,
    version: true,
    createdAt: true,
    createdBy: true,
    owner: true,
    allowedActions: true,
    jobId: true,
    isRunning: true,
    nextRunAt: true,
    windowEnd: true,
    lastRun: true,
    message: true,
    pausedAt: true,
  });
  return { ...rest, conditions: (filter ?? []).map(typedCondition) };
}

export function bodyOf({ conditions, ...draft }: Draft, entity: Entity | undefined): Definition {
  const fields = entity?.schema.fields ?? [];
  return { ...draft, filter: conditions.map((condition) => conditionOf(condition, fields)) };
}

/** The problems of the first step, which the other steps depend on. */
export function missing(draft: Draft, entity: Entity | undefined): ProblemMember[] {
  return [
    ...(draft.name.trim() ? [] : [{ pointer: "#/name", detail: "is required" }]),
    ...(entity ? [] : [{ pointer: "#/entity", detail: "is required" }]),
  ];
}

/**
 * The changes that follow from choosing a type, and what of the draft did not fit it, in words.
 *
 * @param opened the draft before any other type was chosen: whoever comes back to its type has it as it was.
 */
export function changesOfType(opened: Draft, type: ExportType): { changes: Partial<Draft>; notes: string[] } {
  const { schedule, destination, includeDeleted } = opened;
  const changes = { type, includeDeleted: isIncremental(type) && includeDeleted, schedule, destination };
  if (isPeriodic(type) === isPeriodic(opened.type)) return { changes, notes: [] };
  if (!isPeriodic(type)) {
    const note = "The schedule does not fit a single run: it runs as soon as it is activated.";
    return { changes: { ...changes, schedule: null }, notes: schedule ? [note] : [] };
  }
  const proposed = { ...changes, schedule: { time: "02:30", timezone: ZONE, days: DAYS } };
  const notes = schedule ? ["The date and time of the single run do not fit: a daily schedule is proposed."] : [];
  if (destination && DESTINATIONS[destination.kind].isDelivery) return { changes: proposed, notes };
  return {
    changes: { ...proposed, destination: { ...destination, kind: "s3" } },
    notes: [...notes, "Its files are delivered, not downloaded: to the transfer box, until you choose another place."],
  };
}
