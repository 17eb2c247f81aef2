/** Where files go, and who gets the report. */
import Container from "@cloudscape-design/components/container";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Destination } from "../../api/types";
import { SelectField } from "../../common/fields";
import { RecipientsField, WebhooksField } from "../../common/Told";
import { DESTINATIONS } from "../destinations";
import { ofKind, withoutEmpty } from "../destinations/changes";
import { EncryptionFields } from "../destinations/EncryptionFields";
import type { DestinationKind } from "../destinations/kind";
import { TestConnection } from "../destinations/TestConnection";
import { isPeriodic } from "../labels";
import type { StepProps } from "./draft";

const KINDS = Object.entries(DESTINATIONS) as [Destination["kind"], DestinationKind][];

export function DestinationStep({ draft, change }: StepProps) {
  const destination: Destination = draft.destination ?? { kind: "download" };
  const { Fields, isDelivery } = DESTINATIONS[destination.kind];
  const kinds = KINDS.filter(([, kind]) => kind.isDelivery || !isPeriodic(draft.type));
  return (
    <Container>
      <SpaceBetween size="m">
        <SelectField
          label="Destination"
          value={destination.kind}
          options={kinds.map(([kind, { label }]) => [kind, label])}
          onChange={(kind) => change({ destination: ofKind(destination, kind) })}
        />
        {isDelivery && (
          <SpaceBetween size="m">
            <Fields
              destination={destination}
              change={(changes) => change({ destination: withoutEmpty({ ...destination, ...changes }) })}
            />
            <TestConnection entity={draft.entity} destination={destination} />
          </SpaceBetween>
        )}
        <EncryptionFields
          encryption={destination.encryption}
          change={(encryption) => change({ destination: withoutEmpty({ ...destination, encryption }) })}
        />
        <RecipientsField
          label="Recipients of the report"
          help="E-mail addresses with commas between"
          recipients={draft.recipients}
          onChange={(recipients) => change({ recipients })}
        />
        <WebhooksField entity={draft.entity} webhooks={draft.webhooks} onChange={(webhooks) => change({ webhooks })} />
      </SpaceBetween>
    </Container>
  );
}
