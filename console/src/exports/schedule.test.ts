import { expect, it } from "vitest";
import { describeSchedule, intervalOf, INTERVALS, minutesOf } from "./schedule";

it("a schedule is described in words", () => {
  expect(describeSchedule(null, "ONE_SHOT")).toBe("As soon as it is activated");
  expect(describeSchedule({ at: "2026-01-31T09:30", timezone: "UTC" }, "ONE_SHOT")).toBe(
    "Once at 2026-01-31T09:30 (UTC)",
  );
  expect(describeSchedule({ time: "02:30", timezone: "UTC", days: ["mon", "fri"] }, "INCREMENTAL")).toBe(
    "Every Monday, Friday at 02:30 (UTC)",
  );
  expect(describeSchedule({ time: "02:30", timezone: "UTC", monthDays: [1, 15, -1] }, "INCREMENTAL")).toBe(
    "On the 1st, 15th and last day at 02:30 (UTC)",
  );
  expect(describeSchedule({ time: "02:30", timezone: "UTC", monthDays: [12, 23, -2] }, "INCREMENTAL")).toBe(
    "On the 12th, 23rd and 2nd last day at 02:30 (UTC)",
  );
  expect(describeSchedule({ time: "02:30", timezone: "UTC", monthDays: [31] }, "INCREMENTAL")).toBe(
    "On the 31st day at 02:30 (UTC)",
  );
});

it.each([
  ["PT15M", "Every 15 minutes (UTC)"],
  ["PT90M", "Every 90 minutes (UTC)"],
  ["PT1H30M", "Every 90 minutes (UTC)"],
  ["PT1H", "Every hour (UTC)"],
  ["PT60M", "Every hour (UTC)"],
  ["PT6H", "Every 6 hours (UTC)"],
  ["P1D", "Every day at midnight (UTC)"],
])("the interval %s is described in words", (every, words) => {
  expect(describeSchedule({ every, timezone: "UTC" }, "INCREMENTAL")).toBe(words);
});

it("an interval that is chosen is the one that is sent", () => {
  expect(INTERVALS.map((minutes) => minutesOf(intervalOf(minutes)))).toEqual(INTERVALS);
});
