import Alert from "@cloudscape-design/components/alert";
import { at, call } from "../api/client";
import type { Export } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { Name } from "../common/Name";

interface Props {
  of: Export;
  onDone: () => Promise<void>;
  onClose: () => void;
}

export function UnscheduleDialog({ of, onDone, onClose }: Props) {
  const isTakenOver = of.type === "INCREMENTAL_CUSTOM";
  const unschedule = async () => {
    const body = isTakenOver ? { confirm: true } : {};
    await call("POST", at`exports/${of.exportId}/unschedule`, { body });
    await onDone();
  };
  return (
    <ConfirmDialog header="Unschedule this export?" confirmText="Unschedule" onConfirm={unschedule} onClose={onClose}>
      <div>
        The whole export <Name>{of.name}</Name> pauses and goes back to the drafts, not only its next run. It does not
        run again until it is activated.
      </div>
      {isTakenOver && (
        <Alert type="warning" header="This cannot be undone">
          The flow was set up by the back office. Unscheduling turns it into a standard export for good: the back office
          can no longer change it, and specifics that the definition does not show may be lost.
        </Alert>
      )}
    </ConfirmDialog>
  );
}
