/** What people and schedules do, as the audit trail names it. An action that is not listed shows its own name. */
export const ACTION_LABELS: Record<string, string> = {
  createUpload: "Upload",
  createImport: "Start import",
  zilliantImport: "Start import (Zilliant)",
  dropFile: "Drop file",
  cancelJob: "Cancel job",
  stopJob: "Stop import",
  relaunchJob: "Relaunch job",
  undoJob: "Undo import",
  deleteJob: "Delete job",
  deleteJobs: "Delete job (of several)",
  download: "Download file",
  getErrorLog: "Download error log",
  getRejects: "Download rejected rows",
  createExport: "Create export",
  putExport: "Edit export",
  copyExport: "Copy export",
  deleteExport: "Delete export",
  activateExport: "Activate export",
  unscheduleExport: "Unschedule export",
  runExport: "Run export",
  runSchedule: "Run export by schedule",
  testDestination: "Test destination",
  putEntity: "Save entity",
  rememberColumns: "Remember header names",
  deleteEntity: "Delete entity",
};

export function actionLabel(action: string): string {
  return ACTION_LABELS[action] ?? action;
}
