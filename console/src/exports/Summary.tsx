/** Every parameter of an export: the last step of the wizard, and View definition. */
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import type { Definition } from "../api/types";
import { Name } from "../common/Name";
import { Time } from "../common/Time";
import { describeCondition } from "./conditions";
import { describeDestination, DESTINATIONS } from "./destinations";
import { describeEncryption } from "./destinations/encryption";
import { defaultFileName } from "./fileName";
import { isIncremental, TYPE_LABELS } from "./labels";
import { describeSchedule } from "./schedule";
import { describeSplit } from "./SplitField";

export function Summary({ definition, runs }: { definition: Definition; runs?: string[] }) {
  const { filter = [], recipients = [], webhooks = [], dialect = {}, destination } = definition;
  return (
    <KeyValuePairs
      columns={3}
      items={[
        { label: "Name", value: <Name>{definition.name}</Name> },
        { label: "Entity", value: <Name>{definition.entity}</Name> },
        { label: "Type", value: TYPE_LABELS[definition.type] },
        {
          label: "Fields",
          value: definition.fields ? <Name>{definition.fields.join(", ")}</Name> : "All fields, in the schema's order",
        },
        {
          label: "Filter",
          value: filter.length
            ? filter.map((condition, index) => (
                <div key={index}>
                  <bdi>{describeCondition(condition)}</bdi>
                </div>
              ))
            : "None: all records",
        },
        {
          label: "Format",
          value: [
            definition.format ?? "csv",
            definition.compression !== "none" && definition.compression,
            Object.keys(dialect).length > 0 && JSON.stringify(dialect),
          ]
            .filter(Boolean)
            .join(", "),
        },
        { label: "File name", value: <Name>{definition.fileName ?? defaultFileName(definition)}</Name> },
        { label: "Files", value: describeSplit(definition.split) },
        { label: "Formula guard", value: definition.escapeFormulas === false ? "Off" : "On" },
        ...(isIncremental(definition.type)
          ? [{ label: "Deletions", value: definition.includeDeleted ? "Included (_deleted)" : "Left out" }]
          : []),
        { label: "Schedule", value: describeSchedule(definition.schedule, definition.type) },
        { label: "Destination", value: <Name>{describeDestination(destination)}</Name> },
        ...(destination ? DESTINATIONS[destination.kind].details : []).flatMap(([member, label]) =>
          typeof destination?.[member] === "string"
            ? [{ label, value: <Name>{String(destination[member]) || "None"}</Name> }]
            : [],
        ),
        { label: "Encryption", value: <Name>{describeEncryption(destination?.encryption)}</Name> },
        { label: "Report to", value: recipients.length ? <Name>{recipients.join(", ")}</Name> : "Nobody" },
        ...(webhooks.length
          ? [{ label: "Webhooks", value: <Name>{webhooks.map(({ url }) => url).join(", ")}</Name> }]
          : []),
        ...(runs?.length
          ? [
              {
                label: "Next runs",
                value: runs.map((moment) => (
                  <div key={moment}>
                    <Time at={moment} />
                  </div>
                )),
              },
            ]
          : []),
      ]}
    />
  );
}
