import { expect, it } from "vitest";
import { patternWarning } from "./pattern";

it("a pattern that would find no encrypted file is told", () => {
  const age = { kind: "s3" as const, decryption: { kind: "age" as const, secretId: "waybill/a" } };
  expect(patternWarning({ location: age, pattern: "*.csv" })).toBe(
    "The names of encrypted files usually end with .age, which *.csv does not find",
  );
  const openpgp = { kind: "s3" as const, decryption: { kind: "openpgp" as const, secretId: "waybill/a" } };
  expect(patternWarning({ location: openpgp, pattern: "*.csv" })).toContain("end with .pgp, .gpg or .asc, which");
  for (const pattern of ["*.csv*", "*.csv.age", "orders.PGP", "*"]) {
    expect(patternWarning({ location: age, pattern })).toBeUndefined();
  }
  expect(patternWarning({ location: { kind: "s3" }, pattern: "*.csv" })).toBeUndefined();
});
