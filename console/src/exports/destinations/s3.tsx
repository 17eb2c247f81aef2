import ColumnLayout from "@cloudscape-design/components/column-layout";
import { TextField } from "../../common/fields";
import type { DestinationKind } from "./kind";

export const s3: DestinationKind = {
  label: "Transfer box or another bucket",
  isDelivery: true,
  describe: ({ bucket, prefix }) => `${bucket ? `Bucket ${bucket}` : "Transfer box"}${prefix ? `, ${prefix}` : ""}`,
  details: [],
  Fields: ({ destination, change }) => (
    <ColumnLayout columns={2}>
      <TextField
        label="Bucket"
        value={destination.bucket}
        help="Empty for the transfer box"
        onChange={(bucket) => change({ bucket })}
      />
      <TextField label="Prefix" value={destination.prefix} onChange={(prefix) => change({ prefix })} />
    </ColumnLayout>
  ),
};
