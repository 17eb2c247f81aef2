import { expect, it } from "vitest";
import { describeSchedule } from "./schedule";

it("a schedule is described in words", () => {
  expect(describeSchedule(null, "ONE_SHOT")).toBe("As soon as it is activated");
  expect(describeSchedule({ at: "2026-01-31T09:30", timezone: "UTC" }, "ONE_SHOT")).toBe(
    "Once at 2026-01-31T09:30 (UTC)",
  );
  expect(describeSchedule({ time: "02:30", timezone: "UTC", days: ["mon", "fri"] }, "INCREMENTAL")).toBe(
    "Every Monday, Friday at 02:30 (UTC)",
  );
});
