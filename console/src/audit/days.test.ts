import { describe, expect, it } from "vitest";
import { startOf } from "./days";

describe("a day of the reader", () => {
  it("begins at midnight in their zone", () => {
    expect(startOf("2026-01-31")).toBe(new Date(2026, 0, 31).toISOString());
    expect(startOf("2026-01-31", 1)).toBe(new Date(2026, 1, 1).toISOString());
  });

  it("is nothing while it is being typed", () => {
    expect(startOf(null)).toBeNull();
    expect(startOf("2026-01")).toBeNull();
  });
});
