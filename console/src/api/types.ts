/** The API's types under the console's names. Only this module imports the types generated from openapi.json. */
import type { components } from "./openapi";

type Schemas = components["schemas"];

export type Job = Schemas["Job"];
export type JobStatus = Job["status"];
export type Outcome = NonNullable<Job["outcome"]>;
export type Process = Job["process"];
export type UndoPreview = Schemas["UndoPreview"];
export type Report = Schemas["Report"];
export type ErrorPage = Schemas["RowErrorPage"];
export type JobError = ErrorPage["items"][number];

export type RejectedRow = Schemas["RejectedRow"];
export type RejectedRowPage = Schemas["RejectedRowPage"];
export type CheckedRows = Schemas["CheckedRows"];

/** The jobs that were deleted, and those that could not be. */
export type JobsDeletion = Schemas["Deletion"];

export type TableSchema = Schemas["TableSchema"];
export type Field = TableSchema["fields"][number];
export type Entity = Schemas["Entity"];
export type DataType = Entity["dataType"];
export type Right = keyof Entity["permissions"];
/** What `PUT /entities/{name}` takes. */
export type EntityDocument = Schemas["EntityRequest"];

export type RecordCount = Schemas["RecordCount"];

export type AuditEntry = Schemas["AuditEntry"];
export type AuthConfig = Schemas["AuthConfig"];
export type Me = Schemas["Me"];
export type Upload = Schemas["Upload"];
export type UploadInParts = Schemas["UploadInParts"];
export type UploadStatus = Schemas["UploadStatus"];
export type PartAddresses = Schemas["PartAddresses"];
/** What the API finds in a file. */
export type Preview = Schemas["ImportPreview"];
export type ColumnProposal = Schemas["ColumnProposal"];
/** A proposal for an entity. */
export type Inferred = Schemas["Inferred"];
export type InferredField = Schemas["InferredField"];
export type Groups = Schemas["Groups"];

/** An export: its definition and status. Of a custom flow the API shows only name, entity and type. */
export type Export = Schemas["Export"];
export type ExportType = Export["type"];
export type ExportStatus = Export["status"];
export type LastRun = NonNullable<Export["lastRun"]>;
export type Definition = Omit<Pick<Export, keyof Schemas["ExportRequest"]>, "schedule" | "destination"> & {
  schedule?: Schedule | null;
  destination?: Destination;
};
/** Whether files can be delivered somewhere, and why not. */
export type DestinationTest = Schemas["DestinationTest"];
export type DeliveryFailure = NonNullable<DestinationTest["code"]>;
/** An address that is told of the end of a job. */
export type Webhook = Schemas["Webhook"];
export type WebhookTest = Schemas["WebhookTest"];
/** A source: its definition and state. */
export type Source = Omit<Schemas["Source"], "schedule" | "location"> & { schedule: Schedule; location: Destination };
export type SourceDefinition = Pick<
  Source,
  | "name"
  | "entity"
  | "location"
  | "pattern"
  | "schedule"
  | "after"
  | "moveTo"
  | "order"
  | "options"
  | "recipients"
  | "webhooks"
>;
export type SourceFile = Schemas["SourceFile"];
/** Whether files can be fetched from somewhere, and which a run would fetch. */
export type SourceTest = Schemas["SourceTest"];
/** When a schedule runs next. */
export type RunTimes = Schemas["RunTimes"];
/** The exports that were deleted, and those that could not be. */
export type ExportsDeletion = Schemas["ExportDeletion"];
/** What an export would take. */
export type ExportPreview = Schemas["ExportPreview"];
export type Condition = Schemas["Condition"];
/** While the user fills these in, they may have any member of any of their kinds; the API validates them. */
export type Schedule = Filling<Schemas["Schedule"]>;
export type Destination = Filling<Schemas["Destination"] | Schemas["Location"]> & Pick<Schemas["Destination"], "kind">;
type Filling<Union> = { [Name in Member<Union>]?: ValueOf<Union, Name> };
type Member<Union> = Union extends unknown ? keyof Union : never;
type ValueOf<Union, Name extends PropertyKey> = Union extends { [Key in Name]?: infer Value } ? Value : never;

export interface Page<Item> {
  items: Item[];
  nextToken: string | null;
}

export const NO_PERMISSION = "(No permission)";

export const DATA_TYPES = every<DataType>({
  profile: 1,
  "linked-data": 2,
  repository: 3,
  interaction: 4,
  "form-participation": 5,
  subscription: 6,
});
export const EXPORT_TYPES = every<ExportType>({
  ONE_SHOT: 1,
  PERIODIC_FULL: 2,
  INCREMENTAL: 3,
  CUSTOM: 4,
  INCREMENTAL_CUSTOM: 5,
});

/** The values of a union type in this order; a missing or an unknown one does not compile. */
function every<Word extends string>(order: Record<Word, number>): Word[] {
  return Object.keys(order) as Word[];
}
