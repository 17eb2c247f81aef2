/** The kinds of destinations, each with its form, in the order in which the wizard offers them. */
import type { Destination } from "../../api/types";
import { download } from "./download";
import { ftps } from "./ftps";
import type { DestinationKind } from "./kind";
import { s3 } from "./s3";
import { sftp } from "./sftp";

export const DESTINATIONS: Record<Destination["kind"], DestinationKind> = { download, s3, sftp, ftps };

export function describeDestination(destination: Destination | undefined): string {
  return destination ? DESTINATIONS[destination.kind].describe(destination) : download.label;
}
