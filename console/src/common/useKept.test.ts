import { describe, expect, it } from "vitest";
import { forgetForms, keepValue, keptValue } from "./useKept";

function storage(items: Record<string, string> = {}) {
  return {
    items,
    getItem: (key: string) => items[key] ?? null,
    setItem: (key: string, value: string) => void (items[key] = value),
    removeItem: (key: string) => void delete items[key],
    key: (index: number) => Object.keys(items)[index] ?? null,
    get length() {
      return Object.keys(items).length;
    },
  };
}

describe("what is typed", () => {
  it("is there after a reload", () => {
    const tab = storage();
    keepValue(tab, "form", "v3", { name: "Nightly" });
    expect(keptValue(tab, "form", "v3")).toEqual({ name: "Nightly" });
  });

  it("is dropped when what was edited has changed meanwhile", () => {
    const tab = storage();
    keepValue(tab, "form", "v3", { name: "Nightly" });
    expect(keptValue(tab, "form", "v4")).toBeUndefined();
  });

  it.each([["null"], ["{"], ["[]"], ["3"], ['{"version":0,"of":"v3","value":{}}'], ['{"of":"v3","value":{}}']])(
    "is dropped when an older console wrote it otherwise: %s",
    (text) => {
      expect(keptValue(storage({ form: text }), "form", "v3")).toBeUndefined();
    },
  );

  it("is forgotten when its person signs out, and nothing else is", () => {
    const tab = storage({ "waybill-form:ann/exports/new": "1", other: "2", "waybill-form:ann/sources/new": "3" });
    forgetForms(tab);
    expect(tab.items).toEqual({ other: "2" });
  });

  it.each(["-----BEGIN PGP PRIVATE KEY BLOCK-----\nxcA", "AGE-SECRET-KEY-1QQ", "age-secret-key-1qq"])(
    "is not kept with a private key in it: %s",
    (key) => {
      const tab = storage();
      keepValue(tab, "form", "v3", { name: "Nightly" });
      keepValue(tab, "form", "v3", { name: "Nightly", encryption: { kind: "age", recipients: ["age1a", key] } });
      expect(keptValue(tab, "form", "v3")).toEqual({ name: "Nightly" });
    },
  );

  it("is lost where the browser forbids storage, and nothing else is", () => {
    const refuse = () => {
      throw new DOMException("denied", "SecurityError");
    };
    expect(keptValue({ getItem: refuse }, "form", "v3")).toBeUndefined();
    expect(() => keepValue({ setItem: refuse }, "form", "v3", {})).not.toThrow();
  });
});
