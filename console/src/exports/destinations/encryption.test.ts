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
  expect(describeEncryption(undefined)).toBe("None");
});

it("keys are shown so that a person recognizes them", () => {
  const recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"];
  expect(describeEncryption({ kind: "age", recipients })).toBe("age, for age1ql3z7hjy…aqmcac8p");
  const block = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: Ann <ann@example.com>\r\n\nAAAA\n";
  expect(describeEncryption({ kind: "openpgp", recipients: [block, "x"] })).toBe(
    "OpenPGP, for 2 keys (Ann <ann@example.com>)",
  );
});
