import { expect, it } from "vitest";
import { describeEncryption, keysIn } from "./encryption";

it("pasted keys are taken apart", () => {
  expect(keysIn(" age1a\n\nage1b \n", "age")).toEqual(["age1a", "age1b"]);
  const block = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----";
  expect(keysIn(`${block}\n${block}\n`, "openpgp")).toEqual([block, block]);
  expect(keysIn("", "age")).toEqual([]);
});

it("an encryption is described in words", () => {
  expect(describeEncryption({ kind: "age", recipients: ["age1a", "age1b"] })).toBe("age, for age1a, age1b");
  expect(describeEncryption({ kind: "openpgp", recipients: ["x"] })).toBe("OpenPGP, for 1 key");
});
