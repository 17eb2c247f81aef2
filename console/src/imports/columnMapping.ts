/** Maps the columns of a file to the fields of an entity. */
import type { ColumnProposal, TableSchema } from "../api/types";

/** The field that each column goes to before somebody chooses: what the service is sure of. */
export function proposedMapping(proposals: ColumnProposal[]): (string | null)[] {
  return proposals.map(({ field }) => field);
}

/** The import's `columns` option: only columns whose field differs from what the import would choose itself. */
export function renamed(
  labels: string[],
  mapping: (string | null)[],
  proposals: ColumnProposal[],
): Record<string, string> {
  const columns: Record<string, string> = {};
  labels.forEach((label, index) => {
    const field = mapping[index];
    const proposal = proposals[index];
    if (field && !(proposal?.isKnown && proposal.field === field)) columns[label] = field;
  });
  return columns;
}

export function primaryKey(schema: TableSchema): string[] {
  return schema.primaryKey === undefined ? [] : [schema.primaryKey].flat();
}
