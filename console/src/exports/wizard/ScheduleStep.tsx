/** When the export runs: once, on days of the week or of the month, or at an interval. */
import Box from "@cloudscape-design/components/box";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Multiselect from "@cloudscape-design/components/multiselect";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Schedule } from "../../api/types";
import { SelectField, TextField } from "../../common/fields";
import { ZONE } from "../../common/Time";
import { isPeriodic } from "../labels";
import {
  DAY_LABELS,
  DAYS,
  describeInterval,
  intervalOf,
  INTERVALS,
  minutesOf,
  MONTH_DAYS,
  nameOfMonthDay,
} from "../schedule";
import type { StepProps } from "./draft";
import { NextRuns } from "./NextRuns";

const ZONES = [...new Set([ZONE, "UTC", ...Intl.supportedValuesOf("timeZone")])].map((zone) => [zone, zone] as const);
const WHEN = [
  ["now", "As soon as it is activated"],
  ["at", "At a date and time"],
] as const;
const RHYTHMS = [
  ["days", "On days of the week"],
  ["monthDays", "On days of the month"],
  ["every", "Every few minutes or hours"],
] as const;
type Rhythm = (typeof RHYTHMS)[number][0];

export function ScheduleStep(props: StepProps) {
  return <Container>{isPeriodic(props.draft.type) ? <Periodic {...props} /> : <Once {...props} />}</Container>;
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

function Periodic({ draft, change }: StepProps) {
  const schedule: Schedule = draft.schedule ?? {};
  const rhythm: Rhythm = schedule.every !== undefined ? "every" : schedule.monthDays ? "monthDays" : "days";
  const set = (changes: Partial<Schedule>) => change({ schedule: { ...schedule, ...changes } });
  const choose = (chosen: Rhythm) => {
    const { time = "02:30", timezone = "UTC" } = schedule;
    const rest = { days: { time, days: DAYS }, monthDays: { time, monthDays: [1] }, every: { every: "PT1H" } };
    if (chosen !== rhythm) change({ schedule: { timezone, ...rest[chosen] } });
  };
  return (
    <SpaceBetween size="m">
      <SelectField label="How often" value={rhythm} options={RHYTHMS} onChange={choose} />
      <ColumnLayout columns={2}>
        {rhythm === "every" ? (
          <IntervalField value={schedule.every ?? ""} onChange={(every) => set({ every })} />
        ) : (
          <TextField label="Time" value={schedule.time} help="Such as 02:30" onChange={(time) => set({ time })} />
        )}
        <ZoneField value={schedule.timezone ?? "UTC"} onChange={(timezone) => set({ timezone })} />
      </ColumnLayout>
      {rhythm === "days" && <Weekdays days={schedule.days ?? DAYS} onChange={(days) => set({ days })} />}
      {rhythm === "monthDays" && (
        <MonthDays days={schedule.monthDays ?? []} onChange={(monthDays) => set({ monthDays })} />
      )}
      <NextRuns type={draft.type} schedule={draft.schedule ?? null} />
      <Box variant="small">
        {rhythm === "every" && "Counted from midnight in the time zone. "}
        {rhythm === "monthDays" && "A month that lacks a day has no run for it. "}A time that the clock skips in spring
        runs at the next valid minute; one that it shows twice in autumn runs once.
      </Box>
    </SpaceBetween>
  );
}

function Weekdays(props: { days: NonNullable<Schedule["days"]>; onChange: (days: typeof DAYS) => void }) {
  const { days, onChange } = props;
  return (
    <FormField label="Days">
      <SpaceBetween direction="horizontal" size="m">
        {DAYS.map((day) => (
          <Checkbox
            key={day}
            checked={days.includes(day)}
            onChange={({ detail }) =>
              onChange(DAYS.filter((known) => (known === day ? detail.checked : days.includes(known))))
            }
          >
            {DAY_LABELS[day]}
          </Checkbox>
        ))}
      </SpaceBetween>
    </FormField>
  );
}

function MonthDays({ days, onChange }: { days: number[]; onChange: (days: number[]) => void }) {
  const options = MONTH_DAYS.map((day) => ({ value: String(day), label: `${nameOfMonthDay(day)} day` }));
  return (
    <FormField label="Days of the month">
      <Multiselect
        filteringType="auto"
        placeholder="Choose days"
        options={options}
        selectedOptions={options.filter(({ value }) => days.includes(Number(value)))}
        onChange={({ detail }) => {
          const chosen = detail.selectedOptions.map(({ value }) => Number(value));
          onChange(MONTH_DAYS.filter((day) => chosen.includes(day)));
        }}
      />
    </FormField>
  );
}

function IntervalField({ value, onChange }: { value: string; onChange: (every: string) => void }) {
  const minutes = minutesOf(value);
  const known = INTERVALS.includes(minutes) ? INTERVALS : [...INTERVALS, minutes].sort((one, other) => one - other);
  const options = known.map((each) => [String(each), describeInterval(intervalOf(each))] as const);
  return (
    <SelectField
      label="Interval"
      value={String(minutes)}
      options={options}
      onChange={(chosen) => onChange(intervalOf(Number(chosen)))}
    />
  );
}

function ZoneField(props: { value: string; onChange: (zone: string) => void }) {
  return <SelectField label="Time zone" options={ZONES} {...props} />;
}
