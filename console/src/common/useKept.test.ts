import { describe, expect, it } from "vitest";
import { keepValue, keptValue } from "./useKept";

function storage(items: Record<string, string> = {}) {
  return {
    items,
    getItem: (key: string) => items[key] ?? null,
    setItem: (key: string, value: string) => void (items[key] = value),
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

  it("is lost where the browser forbids storage, and nothing else is", () => {
    const refuse = () => {
      throw new DOMException("denied", "SecurityError");
    };
    expect(keptValue({ getItem: refuse }, "form", "v3")).toBeUndefined();
    expect(() => keepValue({ setItem: refuse }, "form", "v3", {})).not.toThrow();
  });
});
