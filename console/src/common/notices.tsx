/** Notices at the top of the page: problems, with what to do next, and confirmations. */
import type { FlashbarProps } from "@cloudscape-design/components/flashbar";
import Flashbar from "@cloudscape-design/components/flashbar";
import Button from "@cloudscape-design/components/button";
import { useSyncExternalStore, type ReactNode } from "react";
import { isAbort, Problem } from "../api/problem";
import { ProblemText } from "./ProblemText";

type Notice = FlashbarProps.MessageDefinition & { id: string; shownAt: number };
const MOST = 5;
const LED_MS = 3_000;
let notices: readonly Notice[] = [];
let count = 0;
const listeners = new Set<() => void>();

function set(next: readonly Notice[]): void {
  notices = next;
  listeners.forEach((listener) => listener());
}

function add(notice: FlashbarProps.MessageDefinition, key = `notice-${++count}`): void {
  const rest = notices.filter(({ id }) => id !== key);
  set(
    [
      {
        ...notice,
        id: key,
        shownAt: Date.now(),
        dismissible: true,
        dismissLabel: "Dismiss",
        onDismiss: () => dismiss(key),
      },
      ...rest,
    ].slice(0, MOST),
  );
}

function dismiss(key: string): void {
  if (notices.some(({ id }) => id === key)) set(notices.filter(({ id }) => id !== key));
}

/** What was told on the screen that is left. A notice that led to the next screen is shown there. */
export function leaveNotices(): void {
  const kept = notices.filter(({ shownAt }) => Date.now() - shownAt < LED_MS);
  if (kept.length < notices.length) set(kept);
}

/** A failed read that has succeeded since is no problem any more. */
export function withdrawProblem(error: unknown): void {
  dismiss(keyOf(Problem.of(error)));
}

export function clearNotices(): void {
  set([]);
}

export function say(header: ReactNode, content?: ReactNode): void {
  add({ type: "success", header, content });
}

export function warn(header: ReactNode, content?: ReactNode): void {
  add({ type: "warning", header, content });
}

const keyOf = (problem: Problem) => `problem-${problem.message}`;

/** Shows a problem. The same problem again replaces its notice. */
export function showProblem(error: unknown, retry?: () => void): void {
  if (isAbort(error)) return;
  const problem = Problem.of(error);
  if (problem.status === 401) return; // the sign-in page is shown instead
  const key = keyOf(problem);
  const action = retry && problem.isPassing && (
    <Button
      onClick={() => {
        dismiss(key);
        retry();
      }}
    >
      Try again
    </Button>
  );
  add({ type: "error", header: problem.title, content: <ProblemText problem={problem} />, action }, key);
}

export function Notices() {
  const items = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => notices,
  );
  return <Flashbar items={items} />;
}
