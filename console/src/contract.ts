/** What the HTTP API speaks, as far as the console needs it. */

export type JobStatus = "WAITING" | "IN_PROGRESS" | "COMPLETED" | "FAILED" | "CANCELED";
export type Outcome = "SUCCESS" | "PARTIAL_SUCCESS" | "FAILED";
export type Process = "import" | "export";

export interface Job {
  jobId: string;
  process: Process;
  status: JobStatus;
  outcome: Outcome | null;
  entity: string;
  fileName: string;
  submittedAt: string;
  startedAt: string | null;
  completedAt: string | null;
  durationSeconds: number | null;
  startedBy: string;
  counts: { total: number | null; processed: number; imported: number; rejected: number; unprocessed: number };
  numberOfItems: number | null;
  message: string;
  error: { code: string; message: string } | null;
  allowedActions: string[];
  mode: string | null;
  dryRun: boolean;
  onError: string | null;
  detected: Record<string, unknown> | null;
  rowsPerSecond: number | null;
  remainingSeconds: number | null;
  queuePosition: number | null;
  stopReason: string | null;
  duplicateOf: string | null;
  exportId: string | null;
  windowFrom: string | null;
  windowTo: string | null;
  retryOf: string | null;
  expiresAt: string | null;
  filesExpireAt: string | null;
  links: { errorLog: string | null; rejects: string | null; download: string | null };
}

export const NO_PERMISSION = "(No permission)";

export interface Page<Item> {
  items: Item[];
  nextToken: string | null;
}

export interface JobError {
  rowNumber: number | null;
  fieldNumber: number | null;
  fieldName: string | null;
  type: string;
  cell: string | null;
  message: string;
}

export interface ErrorPage extends Page<JobError> {
  summary: { type: string; fieldName: string | null; count: number; sample: unknown }[];
}

export interface Field {
  name: string;
  type?: string;
  format?: string;
  title?: string;
  constraints?: Record<string, unknown>;
  trueValues?: string[];
  falseValues?: string[];
}

export interface TableSchema {
  fields: Field[];
  primaryKey?: string | string[];
  missingValues?: (string | { value: string })[];
  fieldsMatch?: string | string[];
}

export const DATA_TYPES = [
  "profile",
  "linked-data",
  "repository",
  "interaction",
  "form-participation",
  "subscription",
] as const;
export type DataType = (typeof DATA_TYPES)[number];
export type Right = "view" | "import" | "export";

/** What `PUT /entities/{name}` takes. */
export interface EntityDocument {
  title?: string | null;
  database?: string | null;
  dataType?: DataType;
  schema: TableSchema;
  dialect?: Record<string, unknown> | null;
  encoding?: string | null;
  permissions?: Partial<Record<Right, string[]>>;
  columns?: Record<string, string> | null;
  refuseDuplicates?: boolean;
  target?: { table: string; modifiedAttribute?: string | null } | null;
}

export interface Entity extends EntityDocument {
  name: string;
}

export interface Me {
  name: string;
  subject: string;
  groups: string[];
}

export interface Upload {
  uploadId: string;
  url: string;
  fields: Record<string, string>;
  expiresAt: string;
}

export const EXPORT_TYPES = ["ONE_SHOT", "PERIODIC_FULL", "INCREMENTAL", "CUSTOM", "INCREMENTAL_CUSTOM"] as const;
export type ExportType = (typeof EXPORT_TYPES)[number];
export type ExportStatus = "DRAFT" | "SCHEDULED" | "IN_PROGRESS" | "FINISHED";

export interface Condition {
  field: string;
  op: string;
  value?: unknown;
}

export interface Schedule {
  at?: string;
  time?: string;
  timezone?: string;
  days?: string[];
}

export interface Destination {
  kind: "download" | "s3" | "sftp" | "ftps";
  bucket?: string;
  prefix?: string;
  host?: string;
  port?: number;
  directory?: string;
  secretId?: string;
  hostKey?: string;
  caCertificate?: string;
}

export interface Definition {
  name: string;
  entity: string;
  type: ExportType;
  fields?: string[] | null;
  filter?: Condition[];
  format?: "csv" | "xlsx" | "jsonl";
  dialect?: Record<string, unknown>;
  compression?: "none" | "gzip" | "zip";
  fileName?: string;
  schedule?: Schedule | null;
  destination?: Destination;
  recipients?: string[];
  escapeFormulas?: boolean;
  includeDeleted?: boolean;
}

/** An export: its definition, of which a custom flow shows only name, entity and type, and where it stands. */
export interface Export extends Definition {
  exportId: string;
  status: ExportStatus;
  createdAt: string;
  createdBy: string;
  allowedActions: string[];
  jobId: string | null;
  isRunning: boolean;
  nextRunAt: string | null;
  lastRun: LastRun | null;
  message: string | null;
}

export interface LastRun {
  jobId: string;
  status: JobStatus;
  startedAt?: string | null;
  completedAt?: string | null;
  fileName?: string | null;
  numberOfItems?: number | null;
}

export interface Report {
  jobId: string;
  exportId: string | null;
  name: string | null;
  entity: string;
  process: Process;
  status: JobStatus;
  outcome: Outcome | null;
  startedAt: string | null;
  completedAt: string | null;
  durationSeconds: number | null;
  startedBy: string;
  fileName: string;
  numberOfItems: number | null;
  windowFrom: string | null;
  windowTo: string | null;
  delivered: { kind: string; location: string | null } | null;
  bytes: number | null;
  sha256: string | null;
  error: { code: string; message: string } | null;
  relaunchable: boolean;
  definition?: Definition;
}
