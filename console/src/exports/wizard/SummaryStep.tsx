/** The whole saved draft, with its next runs. */
import Container from "@cloudscape-design/components/container";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Definition } from "../../api/types";
import { ProblemAlert } from "../../common/ProblemAlert";
import { Summary } from "../Summary";
import { useNextRuns } from "../useNextRuns";

export function SummaryStep({ exportId, definition }: { exportId: string; definition: Definition }) {
  const runs = useNextRuns(exportId);
  return (
    <SpaceBetween size="m">
      {runs.error && <ProblemAlert error={runs.error} />}
      <Container>
        <Summary definition={definition} runs={runs.data} />
      </Container>
    </SpaceBetween>
  );
}
