/** Makes or edits an entity: from a file, or as a JSON document: a Table Schema with the entity's other settings. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { at, call, read, type Read } from "../api/client";
import { isAbort, Problem, type ProblemMember } from "../api/problem";
import { READ_ONCE } from "../api/queryClient";
import type { Entity, EntityDocument } from "../api/types";
import { Leaving } from "../common/Leaving";
import { EntityLink } from "../common/links";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";
import { useKept } from "../common/useKept";
import { AS_DETECTED } from "../imports/Detected";
import { startImport } from "../imports/uploads";
import { useUpload } from "../imports/usePreview";
import { isAdmin, useMe } from "../session/useMe";
import { FieldsTable } from "./FieldsTable";
import { FromFile } from "./FromFile";
import { JsonEditor, type JsonEditorRef } from "./JsonEditor";
import type { Schemas } from "./jsonMembers";
import { locate, type Place } from "./jsonPointer";
import { UnknownGroups } from "./Permissions";
import { definitionIn, isName, nameFromFile } from "./proposal";
import { useProposal } from "./useProposal";

const BEGINNING_BYTES = 9 * 1024 * 1024; // more than the service reads of a text to propose an entity

const EXAMPLE: EntityDocument = {
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
  const me = useMe();
  const admin = isAdmin(me);
  const navigate = useNavigate();
  const form = useKept(`${me.name}/entities/${known ?? "new"}`, entity?.etag ?? "", () => ({
    name: known ?? "",
    text: definitionText(known === undefined ? EXAMPLE : entity?.value),
  }));
  const { name, text } = form.value;
  const [problem, setProblem] = useState(readError && Problem.of(readError));
  const [places, setPlaces] = useState<(Place & ProblemMember)[]>([]);
  const [busy, setBusy] = useState(false);
  const editor = useRef<JsonEditorRef>(null);
  const definition = useMemo(() => definitionIn(text), [text]);
  const description = useQuery({
    ...READ_ONCE,
    queryKey: ["description"],
    queryFn: ({ signal }) => call<{ components: { schemas: Schemas } }>("GET", "openapi.json", { signal }),
    enabled: admin,
  });

  const [file, setFile] = useState<File | null>(null);
  const [reading, setReading] = useState(AS_DETECTED);
  const upload = useUpload(known === undefined ? null : undefined, file, BEGINNING_BYTES);
  const proposal = useProposal(upload.sentFile, reading, definition);
  const { inferred } = proposal;
  const [shown, setShown] = useState(inferred);
  if (inferred && inferred !== shown) {
    setShown(inferred);
    edit(JSON.stringify({ ...inferred.definition, permissions: EXAMPLE.permissions }, null, 2));
  }
  const sending = useRef<AbortController | null>(null);
  useEffect(() => () => sending.current?.abort(), []);
  /** The name of the entity that was created, and whose import did not start. */
  const [created, setCreated] = useState<string | null>(null);

  function edit(changed: string) {
    form.change((old) => ({ ...old, text: changed }));
    setPlaces([]); // they refer to the old text
  }

  const put = async (): Promise<boolean> => {
    let document: unknown;
    let isBare = false;
    try {
      document = JSON.parse(text);
      // A bare Table Schema becomes an entity without other settings.
      isBare = typeof document === "object" && document !== null && "fields" in document;
      if (isBare) document = { schema: document };
    } catch (error) {
      setProblem(new Problem(400, "This is not JSON", (error as Error).message));
      return false;
    }
    try {
      if (known === undefined) await refuseKnown(name);
      await call("PUT", at`entities/${name}`, {
        body: document,
        headers: entity?.etag ? { "If-Match": entity.etag } : {},
      });
      form.settle();
      return true;
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
      return false;
    }
  };
  const save = async () => {
    setProblem(null);
    setPlaces([]);
    setBusy(true);
    if (await put()) {
      say(known ? "The entity was changed" : "The entity was created");
      await navigate(`/entities/${encodeURIComponent(name)}`);
    } else setBusy(false);
  };
  const saveAndImport = async () => {
    setProblem(null);
    setPlaces([]);
    setBusy(true);
    if (created === name || (await put())) {
      setCreated(name);
      try {
        const { signal } = (sending.current = new AbortController());
        const sent = await upload.sendWhole(signal);
        await startImport(sent, { entity: name }, signal);
        say("The entity was created, and the import is queued", <Name>{file!.name}</Name>);
        await navigate(`/imports?entity=${encodeURIComponent(name)}`);
        return;
      } catch (error) {
        if (isAbort(error)) return; // the screen was left
        setProblem(Problem.of(error));
      }
    }
    setBusy(false);
  };
  const isCreated = created !== null && created === name;

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
          {admin && !isCreated && (
            <Button
              variant={inferred ? "normal" : "primary"}
              loading={busy && !inferred}
              disabled={!name || busy}
              onClick={() => void save()}
            >
              {inferred ? "Create" : "Save"}
            </Button>
          )}
          {admin && inferred && (
            <Button variant="primary" loading={busy} disabled={!name} onClick={() => void saveAndImport()}>
              {isCreated ? "Import" : "Create and import"}
            </Button>
          )}
        </SpaceBetween>
      }
    >
      <Leaving form={form} />
      <Container>
        <SpaceBetween size="m">
          {isCreated && !busy && (
            <Alert type="warning" header="The entity was created; the file is not imported yet">
              <EntityLink name={name} /> is there as it was defined. Try the import again, or import the file from its
              page.
            </Alert>
          )}
          {problem && places.length === 0 && <ProblemAlert error={problem} />}
          {problem && places.length > 0 && (
            <Alert type="error" header={problem.title}>
              <div>{problem.detail}</div>
              <div>The problems are listed below the definition, with their lines.</div>
            </Alert>
          )}
          {!known && admin && (
            <FromFile
              file={file}
              upload={upload}
              proposal={proposal}
              reading={reading}
              definition={definition}
              disabled={busy || isCreated}
              onFile={(chosen) => {
                setFile(chosen);
                setReading(AS_DETECTED);
                if (chosen) form.change((old) => ({ ...old, name: old.name || nameFromFile(chosen.name) }));
              }}
              onReading={setReading}
              onChange={(changed) => edit(JSON.stringify(changed, null, 2))}
            />
          )}
          {!known && (
            <FormField
              label="Name"
              constraintText="Letters, digits, and . _ - after the first; 64 characters at most"
              errorText={name && !isName(name) ? "This cannot be the name of an entity." : undefined}
            >
              <Input
                value={name}
                disabled={busy || isCreated}
                onChange={({ detail }) => form.change((old) => ({ ...old, name: detail.value }))}
              />
            </FormField>
          )}
          <UnknownGroups definition={definition} enabled={admin} />
          <FormField
            stretch
            label="Definition"
            errorText={
              places.length > 0 && (
                <ul className="places">
                  {places.map((place, index) => (
                    <li key={index}>
                      <Button variant="inline-link" onClick={() => editor.current?.show(place)}>
                        Line {String(place.line)}
                      </Button>{" "}
                      <code>{place.pointer.replace(/^#\/?/, "") || "the whole"}</code>: {place.detail}
                    </li>
                  ))}
                </ul>
              )
            }
            description="A Table Schema as `schema` (fields, primaryKey, foreignKeys, missingValues, …), with title, database, dataType, dialect, encoding, permissions, columns, refuseDuplicates, keepPrevious, quality, webhooks and target; or a bare Table Schema."
          >
            <JsonEditor
              ref={editor}
              rows={inferred ? 14 : 28}
              readOnly={!admin || isCreated}
              schemas={description.data?.components.schemas}
              value={text}
              onChange={edit}
            />
          </FormField>
          <FieldsTable schema={definition?.schema} />
        </SpaceBetween>
      </Container>
    </Form>
  );
}

/**
 * Keeps a new entity from replacing one of its name.
 * @throws Problem - there is one.
 */
async function refuseKnown(name: string): Promise<void> {
  try {
    await call("GET", at`entities/${name}`);
  } catch (error) {
    if (Problem.of(error).status === 404) return;
    throw error;
  }
  throw new Problem(422, "There is an entity of this name", `${name} exists already: choose another name.`);
}

/** The document without the entity's name, which is in the address. */
function definitionText(entity: EntityDocument | undefined): string {
  return entity === undefined ? "" : JSON.stringify({ ...entity, name: undefined }, null, 2);
}
