/** Has the service judge corrected rows as they are typed. */
import { useEffect, useState } from "react";
import { at, call } from "../api/client";
import { Problem } from "../api/problem";
import type { CheckedRows } from "../api/types";
import { wholeRow, type CellError, type Cells, type Edits } from "./rows";

const TYPING_MS = 350;
const CHECKED_AT_ONCE = 200;
const AFTER_FAILURE_MS = 5_000;

interface Verdict {
  /** What was judged. */
  of: Cells;
  errors: CellError[];
}

export interface Verdicts {
  /** What is wrong with a row as it would be; undefined while that is not known. */
  errorsOf: (rowNumber: number) => CellError[] | undefined;
  /** Rows that have not been judged as they are now. */
  pending: number;
  /** Corrected rows that still have errors. */
  bad: number;
  problem: Problem | null;
}

export function useVerdicts(jobId: string, labels: string[], edits: Edits): Verdicts {
  const [verdicts, setVerdicts] = useState<ReadonlyMap<number, Verdict>>(new Map());
  const [problem, setProblem] = useState<{ of: Edits; error: Problem } | null>(null);
  const current = (rowNumber: number) => {
    const verdict = verdicts.get(rowNumber);
    return verdict?.of === edits.get(rowNumber)?.cells ? verdict : undefined;
  };
  const unjudged = [...edits.keys()].filter((rowNumber) => !current(rowNumber));
  const isStuck = problem !== null && !problem.error.isPassing && problem.of === edits;
  const next = labels.length && !isStuck ? unjudged.slice(0, CHECKED_AT_ONCE) : [];
  const key = next.map((rowNumber) => `${rowNumber}:${JSON.stringify(edits.get(rowNumber)!.cells)}`).join("\n");

  useEffect(() => {
    if (!key) return;
    const aborting = new AbortController();
    const judge = async () => {
      const asked = next.map((rowNumber) => edits.get(rowNumber)!);
      const rows = asked.map((edit) => ({ rowNumber: edit.row.rowNumber, cells: wholeRow(edit, labels) }));
      try {
        const path = at`jobs/${jobId}/rejected-rows/check`;
        const { items } = await call<CheckedRows>("POST", path, { body: { rows }, signal: aborting.signal });
        const judged = items.map(({ errors }, index) => [rows[index]!.rowNumber, { of: asked[index]!.cells, errors }]);
        setVerdicts((known) => new Map([...known, ...(judged as [number, Verdict][])]));
        setProblem(null);
      } catch (error) {
        if (!aborting.signal.aborted) setProblem({ of: edits, error: Problem.of(error) });
      }
    };
    const wait = problem?.error.isPassing ? (problem.error.retryAfterMs ?? AFTER_FAILURE_MS) : TYPING_MS;
    const timer = setTimeout(() => void judge(), wait);
    return () => {
      clearTimeout(timer);
      aborting.abort();
    };
    // `key` stands for the rows; a problem that may pass starts the wait anew.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key, jobId, problem]);

  return {
    errorsOf: (rowNumber) => current(rowNumber)?.errors,
    pending: unjudged.length,
    bad: [...edits.keys()].filter((rowNumber) => current(rowNumber)?.errors.length).length,
    problem: problem?.error ?? null,
  };
}
