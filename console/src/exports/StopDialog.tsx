import { at, call } from "../api/client";
import type { Export } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { Name } from "../common/Name";

interface Props {
  of: Export;
  onDone: () => Promise<void>;
  onClose: () => void;
}

export function StopDialog({ of, onDone, onClose }: Props) {
  const stop = async () => {
    await call("POST", at`jobs/${of.jobId!}/stop`);
    await onDone();
  };
  return (
    <ConfirmDialog
      header="Stop this run?"
      confirmText="Stop exporting"
      cancelText="Keep exporting"
      onConfirm={stop}
      onClose={onClose}
    >
      <div>
        The run of <Name>{of.name}</Name> ends without a file: nothing is delivered or can be downloaded. The next run
        has all that this one would have had.
      </div>
    </ConfirmDialog>
  );
}
