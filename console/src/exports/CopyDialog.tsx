import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";
import { useNavigate } from "react-router";
import { at, callOnce } from "../api/client";
import type { Export } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";

export function CopyDialog({ of, onClose }: { of: Export; onClose: () => void }) {
  const navigate = useNavigate();
  const [name, setName] = useState(`${of.name} (copy)`);
  const copy = async () => {
    const made = await callOnce<Export>(at`exports/${of.exportId}/copy`, { body: { name } });
    await navigate(`/exports/${made.exportId}/edit`, { replace: true });
  };
  return (
    <ConfirmDialog
      header="Copy this export"
      confirmText="Copy"
      isDisabled={!name.trim()}
      onConfirm={copy}
      onClose={onClose}
    >
      <FormField label="Name of the copy" description="The copy is a draft, and opens for editing.">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
    </ConfirmDialog>
  );
}
