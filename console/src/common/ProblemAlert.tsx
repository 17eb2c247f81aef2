/** A problem with its details and what to do next, shown where it occurred. */
import Alert from "@cloudscape-design/components/alert";
import { Problem } from "../api/problem";
import { ProblemText } from "./ProblemText";

export function ProblemAlert({ error }: { error: unknown }) {
  const problem = Problem.of(error);
  return (
    <Alert type="error" header={problem.title}>
      <ProblemText problem={problem} />
    </Alert>
  );
}
