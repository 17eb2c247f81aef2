/** The fields that SFTP and FTPS servers share. */
import ColumnLayout from "@cloudscape-design/components/column-layout";
import type { ReactNode } from "react";
import type { Destination } from "../../api/types";
import { TextField } from "../../common/fields";
import type { FieldsProps } from "./kind";

export function describeServer({ kind, host, port, directory }: Destination): string {
  return `${kind.toUpperCase()} ${host}:${port ?? "default port"}${directory ?? ""}`;
}

export function ServerFields({ destination, change, children }: FieldsProps & { children: ReactNode }) {
  return (
    <ColumnLayout columns={2}>
      <TextField label="Host" value={destination.host} onChange={(host) => change({ host })} />
      <TextField
        label="Port"
        value={destination.port?.toString()}
        help="Empty for the default port"
        onChange={(port) => change({ port: port ? Number(port) : undefined })}
      />
      <TextField label="Directory" value={destination.directory} onChange={(directory) => change({ directory })} />
      <TextField
        label="Secret"
        value={destination.secretId}
        help="Name of a secret that is for this host and entity"
        onChange={(secretId) => change({ secretId })}
      />
      {children}
    </ColumnLayout>
  );
}
