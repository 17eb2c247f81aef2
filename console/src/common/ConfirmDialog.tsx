/** Asks for confirmation, runs the action, and shows why it failed. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ProblemAlert } from "./ProblemAlert";

interface Props {
  header: string;
  confirmText: string;
  cancelText?: string;
  isDisabled?: boolean;
  children: ReactNode;
  /** Runs the action and closes the dialog; an error is shown in the dialog. */
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

export function ConfirmDialog({
  header,
  confirmText,
  cancelText = "Cancel",
  isDisabled,
  children,
  onConfirm,
  onClose,
}: Props) {
  const confirm = useMutation({ mutationFn: onConfirm });
  return (
    <Modal
      visible
      onDismiss={onClose}
      header={header}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              {cancelText}
            </Button>
            <Button
              variant="primary"
              loading={confirm.isPending}
              disabled={isDisabled}
              onClick={() => confirm.mutate()}
            >
              {confirmText}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {children}
        {confirm.error && <ProblemAlert error={confirm.error} />}
      </SpaceBetween>
    </Modal>
  );
}
