/** Notices at the top of the page: problems, with what to do next, and confirmations. */
import type { FlashbarProps } from "@cloudscape-design/components/flashbar";
import Flashbar from "@cloudscape-design/components/flashbar";
import Button from "@cloudscape-design/components/button";
import { useSyncExternalStore, type ReactNode } from "react";
import { isAbort, Problem } from "../api/problem";
import { ProblemText } from "./ProblemText";

type Notice = FlashbarProps.MessageDefinition & { id: string };
const MOST = 5;
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
    [{ ...notice, id: key, dismissible: true, dismissLabel: "Dismiss", onDismiss: () => dismiss(key) }, ...rest].slice(
      0,
      MOST,
    ),
  );
}

function dismiss(key: string): void {
  set(notices.filter(({ id }) => id !== key));
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

/** Shows a problem. The same problem again replaces its notice. */
export function showProblem(error: unknown, retry?: () => void): void {
  if (isAbort(error)) return;
  const problem = Problem.of(error);
  if (problem.status === 401) return; // the sign-in page is shown instead
  const key = `problem-${problem.message}`;
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
