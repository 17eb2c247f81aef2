/** What is wrong with one member of a request. */
export interface ProblemMember {
  pointer: string;
  detail: string;
}

/** A problem that the API reports (RFC 9457), or a failure to reach it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly members: ProblemMember[] = [],
    readonly allowedActions: string[] = [],
    /** How long the API asks to wait before the same request is sent again. */
    readonly retryAfterMs?: number,
  ) {
    super(`${title}: ${detail}`);
  }

  /** What the user can do next. */
  get nextStep(): string {
    if (this.status === 0) return "Check the connection, then try again.";
    if (this.status === 401) return "Sign in again.";
    if (this.status === 403) return "Ask an administrator for the permission, or choose something else.";
    if (this.status === 404) return "It may have been deleted or may have expired: refresh the list.";
    if (this.status === 409) {
      const actions = this.allowedActions.length ? ` Possible now: ${this.allowedActions.join(", ")}.` : "";
      return `Refresh to see its current state.${actions}`;
    }
    if (this.status === 410) return "Files and entries are kept for a limited time. Run it again to get a new one.";
    if (this.status === 412) return "Someone else has changed it: reload the page to see its current state.";
    if (this.status === 413) return "Send something smaller.";
    if (this.status === 400 || this.status === 422) return "Correct what is named here, then try again.";
    if (this.status === 429 && this.retryAfterMs) return `Try again in ${spoken(this.retryAfterMs / 1000)}.`;
    return "Try again in a moment.";
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  static async from(answer: Response): Promise<Problem> {
    const seconds = Number(answer.headers.get("Retry-After"));
    const body = (await answer.json().catch(() => ({}))) as Partial<Record<string, unknown>>;
    return new Problem(
      answer.status,
      typeof body.title === "string" ? body.title : `The server answered ${answer.status}`,
      typeof body.detail === "string" ? body.detail : "It gave no further reason.",
      Array.isArray(body.errors) ? (body.errors as ProblemMember[]) : [],
      Array.isArray(body.allowedActions) ? (body.allowedActions as string[]) : [],
      seconds > 0 ? seconds * 1000 : undefined,
    );
  }

  static of(error: unknown): Problem {
    if (error instanceof Problem) return error;
    return new Problem(
      -1,
      "Something went wrong in the console",
      error instanceof Error ? error.message : String(error),
    );
  }
}

function spoken(seconds: number): string {
  if (seconds >= 120) return `${Math.ceil(seconds / 60)} minutes`;
  return seconds === 1 ? "a second" : `${seconds} seconds`;
}

/** Whether the user stopped the request, or left the screen that sent it. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export const UNREACHABLE = new Problem(0, "The API cannot be reached", "No answer came over the network.");
