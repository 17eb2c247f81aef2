import { describe, expect, it } from "vitest";
import {
  conditionValue,
  conditionWords,
  destinationWords,
  fileNameAt,
  NOT_EMPTY,
  REASON_WORDS,
  scheduleWords,
} from "./words";

describe("a condition", () => {
  it("has the value that its field is compared with", () => {
    expect(conditionValue("lt", "5", { name: "id", type: "integer" })).toBe(5);
    expect(conditionValue("eq", "5", { name: "code", type: "string" })).toBe("5");
    expect(conditionValue("eq", "True ", { name: "vip", type: "boolean" })).toBe(true);
    expect(conditionValue("between", "1, 2.5", { name: "spend", type: "number" })).toEqual([1, 2.5]);
    expect(conditionValue("in", "a, b", undefined)).toEqual(["a", "b"]);
  });
  it("leaves to the API what is no number", () => {
    expect(conditionValue("eq", "much", { name: "spend", type: "number" })).toBe("much");
    expect(conditionValue("eq", "", { name: "spend", type: "number" })).toBe("");
  });
  it("tells empty from not empty", () => {
    expect([conditionValue("empty", "", undefined), conditionValue(NOT_EMPTY, "", undefined)]).toEqual([true, false]);
    expect(conditionWords({ field: "email", op: "empty" })).toBe("email is empty");
    expect(conditionWords({ field: "email", op: "empty", value: false })).toBe("email is not empty");
    expect(conditionWords({ field: "id", op: "in", value: [1, 2] })).toBe("id is one of [1,2]");
  });
});

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

it("a schedule and a destination are told in words", () => {
  expect(scheduleWords(null, "ONE_SHOT")).toBe("As soon as it is activated");
  expect(scheduleWords({ at: "2026-01-31T09:30", timezone: "UTC" }, "ONE_SHOT")).toBe("Once at 2026-01-31T09:30 (UTC)");
  expect(scheduleWords({ time: "02:30", timezone: "UTC", days: ["mon", "fri"] }, "INCREMENTAL")).toBe(
    "Every Monday, Friday at 02:30 (UTC)",
  );
  expect(destinationWords({ kind: "sftp", host: "h", directory: "/in" })).toBe("SFTP h:default port/in");
  expect(destinationWords({ kind: "s3", prefix: "crm" })).toBe("Transfer box, crm");
});

it("every reason of the API has words", async () => {
  const { readFileSync } = await import("node:fs");
  const api = JSON.parse(readFileSync("../functions/api/openapi.json", "utf-8"));
  const codes: string[] = api.components.schemas.DestinationTest.properties.code.enum.filter(Boolean);
  expect(Object.keys(REASON_WORDS).sort()).toEqual([...codes].sort());
});
