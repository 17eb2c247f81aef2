/** When the export runs: once, or on days of the week. */
import Box from "@cloudscape-design/components/box";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Schedule } from "../../api/types";
import { SelectField, TextField } from "../../common/fields";
import { ZONE } from "../../common/Time";
import { isPeriodic } from "../labels";
import { DAY_LABELS, DAYS } from "../schedule";
import type { StepProps } from "./draft";
import { NextRuns } from "./NextRuns";

const ZONES = [...new Set([ZONE, "UTC", ...Intl.supportedValuesOf("timeZone")])].map((zone) => [zone, zone] as const);
const WHEN = [
  ["now", "As soon as it is activated"],
  ["at", "At a date and time"],
] as const;

export function ScheduleStep(props: StepProps) {
  return <Container>{isPeriodic(props.draft.type) ? <Weekly {...props} /> : <Once {...props} />}</Container>;
}

function Once({ draft, change }: StepProps) {
  const schedule = draft.schedule ?? null;
  const set = (changes: Partial<Schedule>) => change({ schedule: { ...schedule, ...changes } });
  return (
    <SpaceBetween size="m">
      <SelectField
        label="When"
        value={schedule ? "at" : "now"}
        options={WHEN}
        onChange={(when) => change({ schedule: when === "at" ? { at: "", timezone: ZONE } : null })}
      />
      {schedule && (
        <SpaceBetween size="m">
          <ColumnLayout columns={2}>
            <TextField
              label="Date and time"
              value={schedule.at}
              help="Such as 2026-01-31T09:30"
              onChange={(at) => set({ at })}
            />
            <ZoneField value={schedule.timezone ?? ZONE} onChange={(timezone) => set({ timezone })} />
          </ColumnLayout>
          <NextRuns type={draft.type} schedule={schedule} />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}

function Weekly({ draft, change }: StepProps) {
  const schedule = draft.schedule ?? null;
  const set = (changes: Partial<Schedule>) => change({ schedule: { ...schedule, ...changes } });
  const days = schedule?.days ?? DAYS;
  return (
    <SpaceBetween size="m">
      <ColumnLayout columns={2}>
        <TextField label="Time" value={schedule?.time} help="Such as 02:30" onChange={(time) => set({ time })} />
        <ZoneField value={schedule?.timezone ?? "UTC"} onChange={(timezone) => set({ timezone })} />
      </ColumnLayout>
      <FormField label="Days">
        <SpaceBetween direction="horizontal" size="m">
          {DAYS.map((day) => (
            <Checkbox
              key={day}
              checked={days.includes(day)}
              onChange={({ detail }) =>
                set({ days: DAYS.filter((known) => (known === day ? detail.checked : days.includes(known))) })
              }
            >
              {DAY_LABELS[day]}
            </Checkbox>
          ))}
        </SpaceBetween>
      </FormField>
      <NextRuns type={draft.type} schedule={schedule} />
      <Box variant="small">
        A time that the clock skips in spring runs at the next valid minute; one that it shows twice in autumn runs
        once.
      </Box>
    </SpaceBetween>
  );
}

function ZoneField(props: { value: string; onChange: (zone: string) => void }) {
  return <SelectField label="Time zone" options={ZONES} {...props} />;
}
