/** Creates or edits an export in steps; the last step summarizes the saved draft. */
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Wizard from "@cloudscape-design/components/wizard";
import { useMutation } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { at, call, callOnce } from "../../api/client";
import { Problem } from "../../api/problem";
import type { Definition, Entity, Export } from "../../api/types";
import { useEntities } from "../../api/useEntities";
import { Leaving } from "../../common/Leaving";
import { ScreenLink } from "../../common/links";
import { Name } from "../../common/Name";
import { say } from "../../common/notices";
import { ProblemAlert } from "../../common/ProblemAlert";
import { useAddress } from "../../common/useAddress";
import { useKept } from "../../common/useKept";
import { may, useMe } from "../../session/useMe";
import { useExport } from "../useExport";
import { DataStep } from "./DataStep";
import { DestinationStep } from "./DestinationStep";
import { bodyOf, draftOf, formKey, missing, newDraft, type Draft } from "./draft";
import { FieldsStep } from "./FieldsStep";
import { FilterStep } from "./FilterStep";
import { FormatStep } from "./FormatStep";
import { ScheduleStep } from "./ScheduleStep";
import { SummaryStep } from "./SummaryStep";

const SUMMARY = 6; // the last step

export default function ExportWizard() {
  const { exportId } = useParams();
  const [query] = useSearchParams();
  const me = useMe();
  const entities = useEntities();
  const [editedId] = useState(exportId ?? null); // stays the same when saving a new export changes the address
  const edited = useExport(editedId);
  const error = entities.error ?? edited.error;
  if (error) return <ProblemAlert error={error} />;
  if (!entities.data || (editedId !== null && !edited.data)) return <Spinner size="large" />;
  return (
    <Steps
      entities={entities.data.filter((entity) => may(me, "export", entity))}
      edited={edited.data}
      entityName={query.get("entity") ?? ""}
    />
  );
}

interface StepsProps {
  entities: Entity[];
  /** The export as it was read; undefined for a new one. */
  edited: Export | undefined;
  /** The initial entity of a new export. */
  entityName: string;
}

function Steps({ entities, edited, entityName }: StepsProps) {
  const navigate = useNavigate();
  const me = useMe();
  const [query, setQuery] = useAddress();
  const [draftId, setDraftId] = useState(edited?.exportId);
  const [of, setOf] = useState(edited ? versionOf(edited) : entityName); // what is typed changes that
  const form = useKept<Draft>(formKey(me.name, draftId), of, () => (edited ? draftOf(edited) : newDraft(entityName)));
  const draft = form.value;
  const [saved, setSaved] = useState<Definition | null>(form.isChanged() ? null : (edited ?? null)); // null after a change
  const entity = entities.find(({ name }) => name === draft.entity);
  const change = (changes: Partial<Draft>) => {
    form.change((old) => ({ ...old, ...changes }));
    setSaved(null);
  };
  const lacking = missing(draft, entity);
  // A link opens any step; but the first comes first while it is incomplete, and the summary needs a saved draft.
  const asked = Math.min(Math.max(Number(query.get("step") ?? 1) - 1 || 0, 0), SUMMARY);
  const step = lacking.length ? 0 : asked === SUMMARY && !saved ? SUMMARY - 1 : asked;
  const [problem, setProblem] = useState<{ step: number; error: unknown } | null>(null);
  const toExports = (tab: string) => navigate(`/exports?tab=${tab}`);

  const request = useMutation({
    mutationFn: (send: () => Promise<void>) => send(),
    onMutate: () => setProblem(null),
    onError: (error) => setProblem({ step, error }),
  });
  /** Saves the draft before its summary: the API validates drafts too. */
  const save = async () => {
    const body = bodyOf(draft, entity);
    const made = draftId
      ? await call<Export>("PUT", at`exports/${draftId}`, { body })
      : await callOnce<Export>("exports", { body });
    form.settle();
    setDraftId(made.exportId);
    setOf(versionOf(made));
    setSaved(made);
    // The address is now the draft's, so that reloading the page keeps it.
    await navigate(`/exports/${made.exportId}/edit?step=${SUMMARY + 1}`);
  };
  const activate = async () => {
    const { status, name, exportId, isRunning } = await callOnce<Export>(at`exports/${draftId!}/activate`);
    const run = isRunning ? `/exports?tab=${status}&export=${exportId}&dialog=run` : null;
    say(
      "The export was activated",
      <>
        <Name>{name}</Name>
        {run && <> runs now: {<ScreenLink to={run}>follow the run to its file</ScreenLink>}</>}
      </>,
    );
    await toExports(status);
  };
  const goTo = (wanted: number, isBack: boolean) => {
    if (step === 0 && wanted > 0 && lacking.length) {
      setProblem({ step, error: new Problem(422, "Something is missing", "An export needs these:", lacking) });
    } else if (wanted === SUMMARY && !isBack) {
      request.mutate(save);
    } else {
      setProblem(null);
      setQuery({ step: wanted ? String(wanted + 1) : null });
    }
  };

  const props = { draft, change, entity };
  const steps: { title: string; content: ReactNode; isOptional?: boolean }[] = [
    { title: "Data and type", content: <DataStep {...props} entities={entities} /> },
    { title: "Fields", content: <FieldsStep {...props} />, isOptional: true },
    { title: "Filter", content: <FilterStep {...props} />, isOptional: true },
    { title: "Format and file name", content: <FormatStep {...props} />, isOptional: true },
    { title: "Schedule", content: <ScheduleStep {...props} />, isOptional: true },
    { title: "Destination and recipients", content: <DestinationStep {...props} />, isOptional: true },
    { title: "Summary", content: saved && draftId && <SummaryStep exportId={draftId} definition={saved} /> },
  ];
  return (
    <>
      <Leaving form={form} />
      <Wizard
        i18nStrings={{ ...TEXTS, cancelButton: draftId ? "Keep as draft" : "Cancel" }}
        submitButtonText="Activate"
        allowSkipTo
        isLoadingNextStep={request.isPending}
        activeStepIndex={step}
        onNavigate={({ detail }) => goTo(detail.requestedStepIndex, detail.reason === "previous")}
        onCancel={() => void toExports("DRAFT")}
        onSubmit={() => request.mutate(activate)}
        steps={steps.map(({ content, ...each }) => ({
          ...each,
          content: (
            <SpaceBetween size="m">
              {problem?.step === step && <ProblemAlert error={problem.error} />}
              {content}
            </SpaceBetween>
          ),
        }))}
      />
    </>
  );
}

function versionOf({ exportId, version }: Export): string {
  return `${exportId}.${version}`;
}

const TEXTS = {
  stepNumberLabel: (number: number) => `Step ${number}`,
  collapsedStepsLabel: (number: number, count: number) => `Step ${number} of ${count}`,
  skipToButtonLabel: (target: { title: string }) => `Skip to ${target.title}`,
  navigationAriaLabel: "Steps",
  previousButton: "Previous",
  nextButton: "Next",
  optional: "optional",
};
