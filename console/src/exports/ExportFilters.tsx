/** The filters of the list: name, database, data type, export type, status. */
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { DATA_TYPES, EXPORT_TYPES, type ExportStatus } from "../api/types";
import { useEntities } from "../api/useEntities";
import { SelectField } from "../common/fields";
import { useWidth } from "../common/useColumns";
import { useSearchText } from "../common/useSearchText";
import { DATA_TYPE_LABELS, STATUS_TABS, TYPE_LABELS } from "./labels";
import type { ExportFilter } from "./useExports";

type Changes = Partial<Record<keyof ExportFilter, string | null>>;

interface Props {
  filter: ExportFilter & { status: ExportStatus };
  change: (changes: Changes) => void;
}

export function ExportFilters({ filter, change }: Props) {
  const [search, setSearch] = useSearchText(filter.q ?? "", (q) => change({ q }));
  const { data: entities = [] } = useEntities({ announce: "always" });
  const databases = [...new Set(entities.flatMap(({ database }) => database ?? []))].sort();
  const isNarrow = useWidth() !== "wide";
  const filters = (
    <SpaceBetween size="m">
      <FormField label="Name">
        <Input type="search" value={search} placeholder="Search" onChange={({ detail }) => setSearch(detail.value)} />
      </FormField>
      <Filter
        label="Database"
        value={filter.database}
        options={databases.map((name) => [name, name])}
        onChange={(database) => change({ database })}
      />
      <Filter
        label="Data type"
        value={filter.dataType}
        options={DATA_TYPES.map((name) => [name, DATA_TYPE_LABELS[name]])}
        onChange={(dataType) => change({ dataType })}
      />
      <Filter
        label="Export type"
        value={filter.type}
        options={EXPORT_TYPES.map((name) => [name, TYPE_LABELS[name]])}
        onChange={(type) => change({ type })}
      />
      <SelectField
        label="Status"
        value={filter.status}
        options={STATUS_TABS.map(({ id, label }) => [id, label])}
        onChange={(status) => change({ status })}
      />
    </SpaceBetween>
  );
  if (isNarrow) {
    const count = [filter.q, filter.database, filter.dataType, filter.type].filter(Boolean).length;
    return (
      <ExpandableSection variant="container" headerText="Find" headerCounter={count ? `(${count})` : undefined}>
        {filters}
      </ExpandableSection>
    );
  }
  return <Container header={<Header variant="h2">Find</Header>}>{filters}</Container>;
}

interface FilterProps {
  label: string;
  value: string | null;
  options: [string, string][];
  onChange: (value: string | null) => void;
}

function Filter({ label, value, options, onChange }: FilterProps) {
  return (
    <SelectField
      label={label}
      value={value ?? ""}
      options={[["", "All"], ...options]}
      onChange={(chosen) => onChange(chosen || null)}
    />
  );
}
