/** Exports records now: everything is proposed, what matches is shown before, and the file is downloaded at the end. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Modal from "@cloudscape-design/components/modal";
import Multiselect from "@cloudscape-design/components/multiselect";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState, type ReactNode } from "react";
import { useNavigate } from "react-router";
import { at } from "../../api/client";
import type { Condition, Entity } from "../../api/types";
import { DownloadButton } from "../../common/DownloadButton";
import { SelectField, TextField } from "../../common/fields";
import { Name } from "../../common/Name";
import { Notes } from "../../common/Notes";
import { ProblemAlert } from "../../common/ProblemAlert";
import { handOver } from "../../common/useKept";
import { useMe } from "../../session/useMe";
import { Conditions } from "../Conditions";
import { typedCondition } from "../conditions";
import { changesOfFormat } from "../format";
import { FORMATS } from "../labels";
import { RunProgress } from "../RunDialog";
import { SplitField } from "../SplitField";
import { bodyOf, formKey, newDraft, type Draft } from "../wizard/draft";
import { Preview } from "./Preview";
import { useExportPreview, useExportRun } from "./useExportNow";
import { proposedName } from "./words";

interface Props {
  entity: Entity;
  /** Of the records that are shown: proposed as the filter. */
  conditions: Condition[];
  onClose: () => void;
}

export function ExportNowDialog({ entity, conditions, onClose }: Props) {
  const navigate = useNavigate();
  const me = useMe();
  const [draft, setDraft] = useState<Draft>(() => ({
    ...newDraft(entity.name),
    name: proposedName(entity.name, new Date()),
    conditions: conditions.map(typedCondition),
  }));
  const body = bodyOf(draft, entity);
  const run = useExportRun();
  const preview = useExportPreview(body, !run.hasStarted);
  const { job } = run;
  const footer = run.hasStarted ? (
    <>
      {job?.allowedActions.includes("stop") && (
        <Button loading={run.isStopping} onClick={run.stop}>
          Stop
        </Button>
      )}
      <Button variant="link" onClick={onClose}>
        Close
      </Button>
      {job?.links.download && <DownloadButton variant="primary" paths={[at`jobs/${job.jobId}/download`]} />}
    </>
  ) : (
    <>
      <Button
        variant="link"
        onClick={() => {
          handOver(formKey(me.name, undefined), entity.name, draft);
          void navigate(`/exports/new?entity=${encodeURIComponent(entity.name)}`);
        }}
      >
        Schedule or deliver instead
      </Button>
      <Button onClick={onClose}>Cancel</Button>
      <Button
        variant="primary"
        loading={run.isStarting}
        disabled={!draft.name.trim() || preview.isError}
        onClick={() => run.start(body)}
      >
        Export
      </Button>
    </>
  );
  const error = run.error ?? (run.hasStarted ? null : preview.error);
  return (
    <Modal
      visible
      size="large"
      onDismiss={onClose}
      header={
        <>
          Export <Name>{entity.name}</Name>
        </>
      }
      footer={<Footer>{footer}</Footer>}
    >
      <SpaceBetween size="m">
        {error && <ProblemAlert error={error} />}
        {run.hasStarted ? (
          <RunProgress job={job} />
        ) : (
          <>
            <Options entity={entity} draft={draft} change={(changes) => setDraft((old) => ({ ...old, ...changes }))} />
            {!preview.isError && <Preview preview={preview.data} isReading={preview.isFetching} />}
          </>
        )}
      </SpaceBetween>
    </Modal>
  );
}

function Footer({ children }: { children: ReactNode }) {
  return (
    <Box float="right">
      <SpaceBetween direction="horizontal" size="xs">
        {children}
      </SpaceBetween>
    </Box>
  );
}

interface OptionsProps {
  entity: Entity;
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
}

function Options({ entity, draft, change }: OptionsProps) {
  const names = entity.schema.fields.map(({ name }) => name);
  const [notes, setNotes] = useState<string[]>([]);
  const chosen = draft.fields ?? names;
  const options = names.map((name) => ({ value: name, label: name }));
  return (
    <SpaceBetween size="m">
      <ColumnLayout columns={2}>
        <TextField label="Name" value={draft.name} onChange={(name) => change({ name })} />
        <SelectField
          label="Format"
          value={draft.format ?? "csv"}
          options={FORMATS}
          onChange={(format) => {
            const { changes, notes } = changesOfFormat(draft, format);
            setNotes(notes);
            change(changes);
          }}
        />
      </ColumnLayout>
      <Notes notes={notes} />
      <SplitField draft={draft} change={change} />
      <FormField label="Fields" description={draft.fields ? undefined : "All, in the order of the schema"}>
        <Multiselect
          filteringType="auto"
          tokenLimit={5}
          placeholder="Choose fields"
          options={options}
          selectedOptions={options.filter(({ value }) => chosen.includes(value))}
          onChange={({ detail }) => {
            const fields = detail.selectedOptions.map(({ value }) => value!);
            change({ fields: fields.length === names.length ? null : fields });
          }}
        />
      </FormField>
      <ExpandableSection
        headerText={`Filter (${draft.conditions.length || "all records"})`}
        defaultExpanded={draft.conditions.length > 0}
      >
        <Conditions conditions={draft.conditions} names={names} change={(conditions) => change({ conditions })} />
      </ExpandableSection>
    </SpaceBetween>
  );
}
