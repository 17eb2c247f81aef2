/** Addresses as people type them. */
import type { Webhook } from "../api/types";

/** E-mail addresses with commas between. */
export function recipientsIn(text: string): string[] {
  return text ? text.split(",").map((each) => each.trim()) : [];
}

/** Lines of an address and the name of a secret, with a blank between. What is missing is empty: the API says so. */
export function webhooksIn(text: string): Webhook[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([url]) => url)
    .map(([url = "", ...secret]) => ({ url, secretId: secret.join(" ") }));
}

export function linesOf(webhooks: Webhook[]): string {
  return webhooks.map(({ url, secretId }) => `${url} ${secretId}`).join("\n");
}
