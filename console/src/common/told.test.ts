import { expect, it } from "vitest";
import { linesOf, recipientsIn, webhooksIn } from "./told";

it("reads addresses as people type them", () => {
  expect(recipientsIn("a@example.com, b@example.com")).toEqual(["a@example.com", "b@example.com"]);
  expect(recipientsIn("")).toEqual([]);
  expect(webhooksIn("\n https://a.example/?b=c   hooks/a \nhttps://b.example\n")).toEqual([
    { url: "https://a.example/?b=c", secretId: "hooks/a" },
    { url: "https://b.example", secretId: "" },
  ]);
});

it("webhooks that are shown and read stay as they were", () => {
  const webhooks = [
    { url: "https://a.example", secretId: "hooks/a" },
    { url: "https://b.example/in", secretId: "hooks/b" },
  ];
  expect(webhooksIn(linesOf(webhooks))).toEqual(webhooks);
});
