/** Tests the destination that the wizard shows. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useQuery } from "@tanstack/react-query";
import { call } from "../../api/client";
import type { Destination, DestinationTest } from "../../api/types";
import { Name } from "../../common/Name";
import { ProblemAlert } from "../../common/ProblemAlert";
import { StatusText } from "../../common/StatusText";
import { FAILURE_LABELS } from "./failures";

export function TestConnection({ entity, destination }: { entity: string; destination: Destination }) {
  const body = { entity, destination };
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["test-destination", body], // a result is of exactly these settings
    queryFn: ({ signal }) => call<DestinationTest>("POST", "exports/test-destination", { body, signal }),
    enabled: false,
    gcTime: 0,
  });
  return (
    <SpaceBetween size="s">
      <Button loading={isFetching} loadingText="Testing the connection" onClick={() => void refetch()}>
        Test connection
      </Button>
      <div role="status">
        {isFetching && <StatusText type="loading">Testing: this takes up to 25 seconds</StatusText>}
        {!isFetching && error && <ProblemAlert error={error} />}
        {!isFetching && !error && data && <Result test={data} />}
      </div>
    </SpaceBetween>
  );
}

function Result({ test: { ok, code, detail } }: { test: DestinationTest }) {
  const failure = code ? FAILURE_LABELS[code] : "Nothing can be delivered there";
  return (
    <Alert type={ok ? "success" : "error"} header={ok ? "Files can be delivered there" : failure}>
      <Name>{detail}</Name>
      {code && <div>Reason: {code}</div>}
    </Alert>
  );
}
