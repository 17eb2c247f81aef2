/** An entity as the document that the API takes: a Table Schema and what else belongs to it. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useEffect, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { at, call } from "../client";
import type { Entity, EntityDocument } from "../contract";
import { isAdmin, useMe } from "../me";
import { ProblemText, say } from "../notices";
import { Problem } from "../problem";

const EXAMPLE: EntityDocument = {
  title: "",
  schema: {
    fields: [
      { name: "id", type: "string" },
      { name: "email", type: "string", format: "email" },
    ],
    primaryKey: ["id"],
  },
  permissions: { view: [], import: [], export: [] },
};

export default function SchemaEditor() {
  const { name: known } = useParams();
  const admin = isAdmin(useMe());
  const navigate = useNavigate();
  const [name, setName] = useState(known ?? "");
  const [text, setText] = useState(known ? "" : JSON.stringify(EXAMPLE, null, 2));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    if (!known) return;
    call<Entity>("GET", at`entities/${known}`).then(
      ({ name: _, ...document }) => setText(JSON.stringify(document, null, 2)),
      (error: unknown) => setProblem(Problem.of(error)),
    );
  }, [known]);

  const save = async () => {
    setProblem(null);
    let document: unknown;
    try {
      document = JSON.parse(text);
      // A bare Table Schema is taken as the schema of an entity without anything else.
      if (typeof document === "object" && document !== null && "fields" in document) document = { schema: document };
    } catch (error) {
      setProblem(new Problem(400, "This is not JSON", (error as Error).message));
      return;
    }
    setBusy(true);
    try {
      await call("PUT", at`entities/${name}`, { body: document });
      say(known ? "The entity was changed" : "The entity was created");
      await navigate(`/entities/${encodeURIComponent(name)}`);
    } catch (error) {
      setProblem(Problem.of(error));
      setBusy(false);
    }
  };

  return (
    <Form
      header={<Header variant="h1">{known ? `Schema of ${known}` : "Create entity"}</Header>}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button variant="link" onClick={() => void navigate(known ? `/entities/${encodeURIComponent(known)}` : "/entities")}>
            {admin ? "Cancel" : "Back"}
          </Button>
          {admin && (
            <Button variant="primary" loading={busy} disabled={!name} onClick={() => void save()}>
              Save
            </Button>
          )}
        </SpaceBetween>
      }
    >
      <Container>
        <SpaceBetween size="m">
          {problem && (
            <Alert type="error" header={problem.title}>
              <ProblemText problem={problem} />
            </Alert>
          )}
          {!known && (
            <FormField label="Name" constraintText="Letters, digits, and . _ - after the first; 64 characters at most">
              <Input value={name} onChange={({ detail }) => setName(detail.value)} />
            </FormField>
          )}
          <FormField
            stretch
            label="Definition"
            description="A Table Schema as `schema` (fields, primaryKey, missingValues, …), with title, database, dataType, dialect, encoding, permissions, columns, refuseDuplicates and target; or a bare Table Schema."
          >
            <Textarea
              rows={28}
              spellcheck={false}
              readOnly={!admin}
              value={text}
              onChange={({ detail }) => setText(detail.value)}
            />
          </FormField>
        </SpaceBetween>
      </Container>
    </Form>
  );
}
