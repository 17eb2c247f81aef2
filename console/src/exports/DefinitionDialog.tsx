import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useQuery } from "@tanstack/react-query";
import { at, call } from "../api/client";
import type { Definition, Export } from "../api/types";
import { ProblemAlert } from "../common/ProblemAlert";
import { Summary } from "./Summary";
import { useNextRuns } from "./useNextRuns";

export function DefinitionDialog({ of, onClose }: { of: Export; onClose: () => void }) {
  const read = useQuery({
    queryKey: ["exports", "definition", of.exportId],
    queryFn: ({ signal }) => call<Definition>("GET", at`exports/${of.exportId}/definition`, { signal }),
    gcTime: 0,
  });
  const runs = useNextRuns(of.exportId, { enabled: of.status === "SCHEDULED" });
  const definition = read.data;
  const error = read.error ?? runs.error;
  return (
    <Modal
      visible
      size="large"
      onDismiss={onClose}
      header="Definition"
      footer={
        <Box float="right">
          <Button variant="primary" onClick={onClose}>
            Close
          </Button>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {error && <ProblemAlert error={error} />}
        {definition && <Summary definition={definition} runs={runs.data} />}
      </SpaceBetween>
    </Modal>
  );
}
