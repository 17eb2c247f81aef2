import { expect, it } from "vitest";
import { withoutEmpty } from "./changes";

it("an emptied field is absent, except where empty has a meaning of its own", () => {
  expect(
    withoutEmpty({
      kind: "sftp",
      host: "",
      port: undefined,
      directory: "/in",
      temporaryPrefix: "",
      temporarySuffix: "",
    }),
  ).toEqual({ kind: "sftp", directory: "/in", temporaryPrefix: "", temporarySuffix: "" });
});
