import { expect, it } from "vitest";
import { describeDestination } from ".";

it("a destination is described in words", () => {
  expect(describeDestination({ kind: "sftp", host: "h", directory: "/in" })).toBe("SFTP h:default port/in");
  expect(describeDestination({ kind: "s3", prefix: "crm" })).toBe("Transfer box, crm");
  expect(describeDestination({ kind: "s3", bucket: "b" })).toBe("Bucket b");
  expect(describeDestination({ kind: "download" })).toBe("Download");
});
