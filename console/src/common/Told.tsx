/** Who is told of the end of a job: by mail, and by webhooks. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../api/client";
import type { Webhook, WebhookTest } from "../api/types";
import { TextField } from "./fields";
import { Name } from "./Name";
import { ProblemAlert } from "./ProblemAlert";
import { linesOf, recipientsIn, webhooksIn } from "./told";

interface RecipientsProps {
  label: string;
  help: string;
  recipients: string[] | undefined;
  onChange: (recipients: string[]) => void;
}

export function RecipientsField({ label, help, recipients, onChange }: RecipientsProps) {
  return (
    <TextField
      label={label}
      value={recipients?.join(", ")}
      help={help}
      onChange={(text) => onChange(recipientsIn(text))}
    />
  );
}

interface WebhooksProps {
  /** Which the secrets have to be for; empty while it is not chosen. */
  entity: string;
  webhooks: Webhook[] | undefined;
  onChange: (webhooks: Webhook[]) => void;
}

export function WebhooksField({ entity, webhooks = [], onChange }: WebhooksProps) {
  const [text, setText] = useState(() => linesOf(webhooks));
  const test = useMutation({
    mutationFn: (sent: Webhook[]) =>
      Promise.all(
        sent.map(async (webhook) => ({
          webhook,
          result: await call<WebhookTest>("POST", "webhooks/test", { body: { entity, webhook } }),
        })),
      ),
  });
  return (
    <SpaceBetween size="s">
      <FormField
        label="Webhooks"
        constraintText="A line each: an address that begins with https://, and the name of the secret that signs messages to it"
      >
        <Textarea
          rows={2}
          spellcheck={false}
          value={text}
          onChange={({ detail }) => {
            setText(detail.value);
            test.reset();
            onChange(webhooksIn(detail.value));
          }}
        />
      </FormField>
      {webhooks.length > 0 && (
        <Button loading={test.isPending} disabled={!entity} onClick={() => test.mutate(webhooks)}>
          Send a test event
        </Button>
      )}
      <div role="status">
        {test.error && <ProblemAlert error={test.error} />}
        {test.data?.map(({ webhook, result }) => (
          <Alert key={webhook.url} type={result.ok ? "success" : "error"} header={<Name>{webhook.url}</Name>}>
            <Name>{result.detail}</Name>
          </Alert>
        ))}
      </div>
    </SpaceBetween>
  );
}
