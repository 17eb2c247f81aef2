/** The model of an export in the wizard, and its conversion from and to the API's. */
import type { ProblemMember } from "../../api/problem";
import type { Definition, Entity, Export, ExportType } from "../../api/types";
import { editable } from "../../common/editable";
import { ZONE } from "../../common/Time";
import { conditionOf, typedCondition, type TypedCondition } from "../conditions";
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

/** The changes that follow from choosing another type. */
export function changesOfType(draft: Draft, type: ExportType): Partial<Draft> {
  const changes = { type, includeDeleted: isIncremental(type) && draft.includeDeleted };
  if (isPeriodic(type) === isPeriodic(draft.type)) return changes;
  return isPeriodic(type)
    ? { ...changes, schedule: { time: "02:30", timezone: ZONE, days: DAYS }, destination: { kind: "s3" } }
    : { ...changes, schedule: null, destination: { kind: "download" } };
}
