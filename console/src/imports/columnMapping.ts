/** Maps the columns of a file to the fields of an entity. */
import type { Entity, TableSchema } from "../api/types";

type Mapped = Pick<Entity, "schema" | "columns">;

/** Proposes a field for each column: the one the entity remembers, that of the same name, or of a similar name. */
export function proposeColumns(labels: string[], entity: Mapped): (string | null)[] {
  const names = entity.schema.fields.map(({ name }) => name);
  const plain = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const taken = new Set<string>();
  const take = (name: string | undefined) => {
    if (name === undefined || taken.has(name) || !names.includes(name)) return null;
    taken.add(name);
    return name;
  };
  const sure = labels.map((label) => take(entity.columns?.[label]) ?? take(label) ?? take(label.trim()));
  return labels.map(
    (label, index) => sure[index] ?? (plain(label) ? take(names.find((name) => plain(name) === plain(label))) : null),
  );
}

/** The import's `columns` option: only columns whose field differs from what the import would choose itself. */
export function renamed(labels: string[], mapping: (string | null)[], entity: Mapped): Record<string, string> {
  const known = (label: string) => entity.columns?.[label] ?? entity.columns?.[label.trim()] ?? label.trim();
  const columns: Record<string, string> = {};
  labels.forEach((label, index) => {
    const field = mapping[index];
    if (field && field !== known(label)) columns[label] = field;
  });
  return columns;
}

export function primaryKey(schema: TableSchema): string[] {
  return schema.primaryKey === undefined ? [] : [schema.primaryKey].flat();
}
