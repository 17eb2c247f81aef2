/** Tells what has followed from a choice. */
import Alert from "@cloudscape-design/components/alert";

export function Notes({ notes }: { notes: string[] }) {
  return <div role="status">{notes.length > 0 && <Alert type="info">{notes.join(" ")}</Alert>}</div>;
}
