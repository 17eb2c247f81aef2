import Alert from "@cloudscape-design/components/alert";
import { useNavigate } from "react-router";
import { at, call } from "../api/client";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { Name } from "../common/Name";
import { say } from "../common/notices";

export function DeleteEntityDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const navigate = useNavigate();
  const remove = async () => {
    await call("DELETE", at`entities/${name}`);
    say("The entity was deleted", <Name>{name}</Name>);
    await navigate("/entities");
  };
  return (
    <ConfirmDialog header="Delete this entity?" confirmText="Delete" onConfirm={remove} onClose={onClose}>
      <Alert type="warning">
        The records of <Name>{name}</Name> are deleted, and its imports and exports disappear from the lists. This
        cannot be undone.
      </Alert>
    </ConfirmDialog>
  );
}
