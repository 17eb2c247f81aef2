/** What the codes of errors mean, in words. The pages of the documentation explain each: docs/errors.md. */

/** Of rows. */
export const ROW_ERRORS: Record<string, string> = {
  "type-error": "Not a value of its field",
  "constraint-error": "Breaks a rule of its field",
  "missing-key": "No key",
  "duplicate-key": "Replaced by a later row with its key",
  "unique-error": "A value that may be there once",
  "foreign-key": "Names a record that is not there",
  exists: "The record exists already",
  "not-found": "There is no such record",
  "missing-cell": "Fewer cells than the header",
  "extra-cell": "More cells than the header",
  "blank-row": "An empty row",
  "format-error": "A quote or character that does not fit",
  "row-too-long": "The row is too long",
  "record-too-large": "The record would be too large",
  stopped: "The import was stopped before it",
  "changed-since": "The record was changed since",
  "source-changed": "The file was gone before it was read",
};

/** Of files and jobs. */
export const JOB_ERRORS: Record<string, string> = {
  "empty-file": "The file has no rows",
  "blank-header": "The first row is blank",
  "missing-label": "A column is missing",
  "extra-label": "There is a column too many",
  "incorrect-label": "A column has another name",
  "duplicate-label": "Two columns have the same name",
  "blank-label": "A column has no name",
  "unmatched-header": "No column fits the entity",
  "encoding-error": "The characters cannot be read",
  "format-error": "The file is damaged, or of another kind",
  "row-too-long": "A row is too long",
  "source-error": "The file cannot be read so",
  "source-changed": "The file was overwritten or deleted",
  "too-large": "The file is too large",
  "unknown-entity": "There is no such entity",
  "no-permission": "The permission is missing",
  "rejected-rows": "Some rows are invalid, and all or none were wanted",
  "unusual-rows": "The number of rows is unusual",
  "duplicate-file": "The same content was imported before",
  "compression-error": "The compressed file cannot be read",
  "decryption-error": "The file cannot be decrypted",
  "delivery-failed": "The file was not delivered",
  "window-too-old": "The last delivery was too long ago",
  "window-not-over": "An import still writes into the period",
  "invalid-definition": "The definition no longer fits its entity",
  "xlsx-limit": "More than a workbook can hold",
  "parquet-limit": "More than a Parquet column can hold",
  "timed-out": "An outage lasted too long",
  "internal-error": "Something failed in the service",
};

/** The words for a code; one that is not listed says itself. */
export function errorInWords(code: string, words: Record<string, string> = ROW_ERRORS): string {
  return words[code] ?? code;
}

/** `Not a value of its field (type-error)`, where there is room for text only. */
export function errorWithCode(code: string, words: Record<string, string> = ROW_ERRORS): string {
  return words[code] ? `${words[code]} (${code})` : code;
}

/** What is shown of a code, as a screen reader says it. */
export function spokenError(code: string): string {
  return ROW_ERRORS[code] ? `${ROW_ERRORS[code]} ${code}` : code;
}
