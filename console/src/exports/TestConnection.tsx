/** Try the destination as it stands in the wizard, and say what to mend. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useEffect, useRef, useState } from "react";
import { call } from "../client";
import type { Destination } from "../contract";
import { Name } from "../format";
import { ProblemText } from "../notices";
import { Problem } from "../problem";
import { REASON_WORDS } from "./words";

interface Result {
  ok: boolean;
  code: string | null;
  detail: string;
}

export function TestConnection({ entity, destination }: { entity: string; destination: Destination }) {
  const [isBusy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Result | Problem | null>(null);
  const running = useRef<AbortController | null>(null);
  const tested = JSON.stringify([entity, destination]);
  useEffect(
    () => () => {
      // What was found does not hold for what is typed now.
      running.current?.abort();
      setBusy(false);
      setOutcome(null);
    },
    [tested],
  );

  const test = async () => {
    const { signal } = (running.current = new AbortController());
    setBusy(true);
    setOutcome(null);
    try {
      const result = await call<Result>("POST", "exports/test-destination", { body: { entity, destination }, signal });
      if (!signal.aborted) setOutcome(result);
    } catch (error) {
      if (!signal.aborted) setOutcome(Problem.of(error));
    }
    if (!signal.aborted) setBusy(false);
  };

  return (
    <SpaceBetween size="s">
      <Button loading={isBusy} loadingText="Testing the connection" onClick={() => void test()}>
        Test connection
      </Button>
      <div role="status">
        {isBusy && <StatusIndicator type="loading">Testing: this takes up to 25 seconds</StatusIndicator>}
        {outcome instanceof Problem && (
          <Alert type="error" header={outcome.title}>
            <ProblemText problem={outcome} />
          </Alert>
        )}
        {outcome !== null && !(outcome instanceof Problem) && (
          <Alert
            type={outcome.ok ? "success" : "error"}
            header={
              outcome.ok
                ? "Files can be delivered there"
                : (REASON_WORDS[outcome.code ?? ""] ?? "Nothing can be delivered there")
            }
          >
            <Name>{outcome.detail}</Name>
            {outcome.code && <div>Reason: {outcome.code}</div>}
          </Alert>
        )}
      </div>
    </SpaceBetween>
  );
}
