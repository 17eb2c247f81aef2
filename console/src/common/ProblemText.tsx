import type { Problem } from "../api/problem";

export function ProblemText({ problem }: { problem: Problem }) {
  return (
    <>
      <div>{problem.detail}</div>
      {problem.members.length > 0 && (
        <ul>
          {problem.members.map(({ pointer, detail }, index) => (
            <li key={index}>
              <code>{pointer.replace(/^#\/?/, "") || "the whole"}</code>: {detail}
            </li>
          ))}
        </ul>
      )}
      <div>{problem.nextStep}</div>
    </>
  );
}
