import { describe, expect, it } from "vitest";
import { fileNameAt } from "./fileName";

describe("a file name", () => {
  const moment = new Date("2026-01-31T23:05:09Z");
  it("shows the run's moment in the zone of the schedule", () => {
    expect(fileNameAt("c_$yyyyMMdd-$HHmm.csv", moment, "UTC")).toBe("c_20260131-2305.csv");
    expect(fileNameAt("c_$yyyyMMdd-$HHmmss.csv", moment, "Europe/Brussels")).toBe("c_20260201-000509.csv");
  });
  it("leaves other signs alone", () => {
    expect(fileNameAt("100$.csv", moment, undefined)).toBe("100$.csv");
  });
});
