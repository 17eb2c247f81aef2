import type { Source } from "../api/types";
import { StatusText } from "../common/StatusText";

/** One word for what a source does. */
export function SourceState({ of: { status, unreachable, message } }: { of: Source }) {
  if (message)
    return (
      <StatusText wrapText={false} type="stopped">
        Paused
      </StatusText>
    );
  if (status === "DRAFT")
    return (
      <StatusText wrapText={false} type="pending">
        Draft
      </StatusText>
    );
  if (unreachable)
    return (
      <StatusText wrapText={false} type="warning">
        Unreachable
      </StatusText>
    );
  return (
    <StatusText wrapText={false} type="success">
      Scheduled
    </StatusText>
  );
}
