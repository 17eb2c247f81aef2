import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { Source } from "../api/types";

/** One word for what a source does. */
export function SourceState({ of: { status, unreachable, message } }: { of: Source }) {
  if (message) return <StatusIndicator type="stopped">Paused</StatusIndicator>;
  if (status === "DRAFT") return <StatusIndicator type="pending">Draft</StatusIndicator>;
  if (unreachable) return <StatusIndicator type="warning">Unreachable</StatusIndicator>;
  return <StatusIndicator type="success">Scheduled</StatusIndicator>;
}
