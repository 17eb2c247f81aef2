/** Edits an entity as a JSON document: a Table Schema with the entity's other settings. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Textarea from "@cloudscape-design/components/textarea";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { at, call, read, type Read } from "../api/client";
import { Problem, type ProblemMember } from "../api/problem";
import { READ_ONCE } from "../api/queryClient";
import type { Entity, EntityDocument } from "../api/types";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";
import { isAdmin, useMe } from "../session/useMe";
import { FieldsTable } from "./FieldsTable";
import { locate, type Place } from "./jsonPointer";

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
  const { name } = useParams();
  const entity = useQuery({
    ...READ_ONCE,
    queryKey: ["entities", name, "edited"],
    queryFn: ({ signal }) => read<Entity>(at`entities/${name!}`, undefined, { signal }),
    enabled: name !== undefined,
  });
  if (name !== undefined && entity.isPending) return <Spinner size="large" />;
  return <Editor key={name} known={name} entity={entity.data} readError={entity.error} />;
}

interface Props {
  /** The name of the entity; undefined for a new one. */
  known: string | undefined;
  entity: Read<Entity> | undefined;
  readError: Error | null;
}

function Editor({ known, entity, readError }: Props) {
  const admin = isAdmin(useMe());
  const navigate = useNavigate();
  const [name, setName] = useState(known ?? "");
  const [text, setText] = useState(() => definitionText(known === undefined ? EXAMPLE : entity?.value));
  const [problem, setProblem] = useState(readError && Problem.of(readError));
  const [places, setPlaces] = useState<(Place & ProblemMember)[]>([]);
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLDivElement>(null);

  const save = async () => {
    setProblem(null);
    setPlaces([]);
    let document: unknown;
    let isBare = false;
    try {
      document = JSON.parse(text);
      // A bare Table Schema becomes an entity without other settings.
      isBare = typeof document === "object" && document !== null && "fields" in document;
      if (isBare) document = { schema: document };
    } catch (error) {
      setProblem(new Problem(400, "This is not JSON", (error as Error).message));
      return;
    }
    setBusy(true);
    try {
      await call("PUT", at`entities/${name}`, {
        body: document,
        headers: entity?.etag ? { "If-Match": entity.etag } : {},
      });
      say(known ? "The entity was changed" : "The entity was created");
      await navigate(`/entities/${encodeURIComponent(name)}`);
    } catch (error) {
      const refusal = Problem.of(error);
      setProblem(refusal);
      setPlaces(
        refusal.members.map(({ pointer, detail }) => ({
          ...locate(text, isBare ? pointer.replace(/^#\/schema/, "#") : pointer),
          pointer,
          detail,
        })),
      );
      setBusy(false);
    }
  };
  const show = ({ start, end, line }: Place) => {
    const area = box.current?.querySelector("textarea");
    if (!area) return;
    area.focus();
    area.setSelectionRange(start, end);
    area.scrollTop = ((line - 3) * area.scrollHeight) / text.split("\n").length;
  };

  return (
    <Form
      header={<Header variant="h1">{known ? `Schema of ${known}` : "Create entity"}</Header>}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button
            variant="link"
            onClick={() => void navigate(known ? `/entities/${encodeURIComponent(known)}` : "/entities")}
          >
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
          {problem && places.length === 0 && <ProblemAlert error={problem} />}
          {problem && places.length > 0 && (
            <Alert type="error" header={problem.title}>
              <div>{problem.detail}</div>
              <div>The problems are listed below the definition, with their lines.</div>
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
            errorText={
              places.length > 0 && (
                <ul className="places">
                  {places.map((place, index) => (
                    <li key={index}>
                      <Button variant="inline-link" onClick={() => show(place)}>
                        Line {String(place.line)}
                      </Button>{" "}
                      <code>{place.pointer.replace(/^#\/?/, "") || "the whole"}</code>: {place.detail}
                    </li>
                  ))}
                </ul>
              )
            }
            description="A Table Schema as `schema` (fields, primaryKey, foreignKeys, missingValues, …), with title, database, dataType, dialect, encoding, permissions, columns, refuseDuplicates, keepPrevious and target; or a bare Table Schema."
          >
            <div ref={box} className="code">
              <Textarea
                rows={28}
                spellcheck={false}
                readOnly={!admin}
                value={text}
                onChange={({ detail }) => {
                  setText(detail.value);
                  setPlaces([]); // they refer to the old text
                }}
              />
            </div>
          </FormField>
          <FieldsTable schema={schemaIn(text)} />
        </SpaceBetween>
      </Container>
    </Form>
  );
}

/** The Table Schema in a definition, or the text itself where it is a bare one; undefined while it is no JSON. */
function schemaIn(text: string): unknown {
  try {
    const document = JSON.parse(text) as { schema?: unknown } | null;
    return typeof document === "object" && document !== null && "fields" in document ? document : document?.schema;
  } catch {
    return undefined;
  }
}

/** The document without the entity's name, which is in the address. */
function definitionText(entity: EntityDocument | undefined): string {
  return entity === undefined ? "" : JSON.stringify({ ...entity, name: undefined }, null, 2);
}
