/** How much one file of an export holds. */
import ColumnLayout from "@cloudscape-design/components/column-layout";
import { NumberField, SelectField } from "../common/fields";
import { formatCount } from "../common/format";
import type { Draft } from "./wizard/draft";

type Limit = "none" | "maxRows" | "maxBytes";

const LIMITS = [
  ["none", "No, one file"],
  ["maxRows", "By number of rows"],
  ["maxBytes", "By size"],
] as const;
const PROPOSED = { maxRows: 500_000, maxBytes: 100_000_000 };

interface Props {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
}

export function SplitField({ draft: { split, format }, change }: Props) {
  const [limit, most] = Object.entries(split ?? {})[0] ?? ["none", 0];
  const limits = LIMITS.filter(([value]) => value !== "maxBytes" || format !== "parquet");
  return (
    <ColumnLayout columns={2}>
      <SelectField<Limit>
        label="Split into files"
        value={limit as Limit}
        options={limits}
        onChange={(value) => change({ split: value === "none" ? null : splitBy(value, PROPOSED[value]) })}
      />
      {limit !== "none" && (
        <NumberField
          label={limit === "maxRows" ? "Rows in a file, at most" : "Bytes in a file, at most"}
          value={most}
          help="Files are numbered: _0001, _0002, … A download is one zip file of them."
          onChange={(most) => change({ split: splitBy(limit as Exclude<Limit, "none">, most) })}
        />
      )}
    </ColumnLayout>
  );
}

function splitBy(limit: Exclude<Limit, "none">, most: number): Draft["split"] {
  return limit === "maxRows" ? { maxRows: most } : { maxBytes: most };
}

/** `500,000 rows in a file at most`. */
export function describeSplit(split: Draft["split"]): string {
  const [limit, most] = Object.entries(split ?? {})[0] ?? ["none", 0];
  if (limit === "none") return "One file";
  return `${formatCount(Number(most))} ${limit === "maxRows" ? "rows" : "bytes"} in a file at most`;
}
