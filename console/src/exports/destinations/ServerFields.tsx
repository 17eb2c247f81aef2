/** The fields that SFTP and FTPS servers share. */
import ColumnLayout from "@cloudscape-design/components/column-layout";
import type { ReactNode } from "react";
import type { Destination } from "../../api/types";
import { NumberField, TextField } from "../../common/fields";
import type { FieldsProps } from "./kind";

export function describeServer({ kind, host, port, directory }: Destination): string {
  return `${kind.toUpperCase()} ${host}:${port ?? "default port"}${directory ?? ""}`;
}

export function ServerFields({ destination, change, children }: FieldsProps & { children: ReactNode }) {
  return (
    <ColumnLayout columns={2}>
      <TextField label="Host" value={destination.host} onChange={(host) => change({ host })} />
      <NumberField
        label="Port"
        value={destination.port}
        help="Empty for the default port"
        isOptional
        onChange={(port) => change({ port })}
      />
      <TextField label="Directory" value={destination.directory} onChange={(directory) => change({ directory })} />
      <TextField
        label="Secret"
        value={destination.secretId}
        help="Name of a secret that is for this host and entity"
        onChange={(secretId) => change({ secretId })}
      />
      {children}
      <TextField
        label="Prefix of temporary names"
        value={destination.temporaryPrefix ?? "."}
        help="Some servers forbid names that begin with a dot"
        onChange={(temporaryPrefix) =>
          change({ temporaryPrefix: temporaryPrefix === "." ? undefined : temporaryPrefix })
        }
      />
      <TextField
        label="Suffix of temporary names"
        value={destination.temporarySuffix ?? ".part"}
        onChange={(temporarySuffix) =>
          change({ temporarySuffix: temporarySuffix === ".part" ? undefined : temporarySuffix })
        }
      />
      <TextField
        label="Folder of temporary files"
        value={destination.temporaryFolder}
        help="A folder in the directory; empty for the directory itself"
        onChange={(temporaryFolder) => change({ temporaryFolder: temporaryFolder || undefined })}
      />
    </ColumnLayout>
  );
}
