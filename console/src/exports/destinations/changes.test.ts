import { expect, it } from "vitest";
import { ofKind, withoutEmpty } from "./changes";

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

it("another kind of server keeps what both have", () => {
  const both = { host: "h", directory: "/in", secretId: "waybill/h", temporaryPrefix: "" };
  const encryption = { kind: "age" as const, recipients: ["age1a"] };
  const sftp = { kind: "sftp" as const, ...both, port: 2222, hostKey: "SHA256:x", encryption };
  expect(ofKind(sftp, "ftps")).toEqual({ kind: "ftps", ...both, encryption });
  expect(ofKind(sftp, "s3")).toEqual({ kind: "s3", encryption });
  expect(ofKind(sftp, "sftp")).toEqual(sftp);
});
