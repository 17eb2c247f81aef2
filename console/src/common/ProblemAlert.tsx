/** A refusal where it belongs: title, reasons, and a way on. */
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
