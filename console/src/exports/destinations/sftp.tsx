import { TextField } from "../../common/fields";
import type { DestinationKind } from "./kind";
import { describeServer, ServerFields } from "./ServerFields";

export const sftp: DestinationKind = {
  label: "SFTP server",
  isDelivery: true,
  describe: describeServer,
  details: [
    ["secretId", "Secret"],
    ["temporaryPrefix", "Prefix of temporary names"],
    ["temporarySuffix", "Suffix of temporary names"],
    ["temporaryFolder", "Folder of temporary files"],
    ["hostKey", "Host key"],
  ],
  Fields: (props) => (
    <ServerFields {...props}>
      <TextField label="Host key" value={props.destination.hostKey} onChange={(hostKey) => props.change({ hostKey })} />
    </ServerFields>
  ),
};
