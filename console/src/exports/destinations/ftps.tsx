import FormField from "@cloudscape-design/components/form-field";
import Textarea from "@cloudscape-design/components/textarea";
import type { DestinationKind } from "./kind";
import { describeServer, ServerFields } from "./ServerFields";

export const ftps: DestinationKind = {
  label: "FTPS server",
  isDelivery: true,
  describe: describeServer,
  details: [
    ["secretId", "Secret"],
    ["temporaryPrefix", "Prefix of temporary names"],
    ["temporarySuffix", "Suffix of temporary names"],
    ["temporaryFolder", "Folder of temporary files"],
    ["caCertificate", "CA certificate"],
  ],
  Fields: (props) => (
    <ServerFields {...props}>
      <FormField label="CA certificate" constraintText="PEM; empty for public certificates">
        <Textarea
          value={props.destination.caCertificate ?? ""}
          onChange={({ detail }) => props.change({ caCertificate: detail.value })}
        />
      </FormField>
    </ServerFields>
  ),
};
