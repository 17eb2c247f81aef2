import { afterEach, expect, test, vi } from "vitest";
import { callOnce } from "./client";

vi.mock("../session/auth", () => ({
  API: "http://api.test/v1/",
  accessToken: () => Promise.resolve("token"),
  signOut: () => undefined,
}));

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function answering(...answers: (Response | Error)[]) {
  vi.useFakeTimers();
  const fetch = vi.fn<(url: URL, request: RequestInit) => Promise<Response>>();
  for (const answer of answers) {
    if (answer instanceof Error) fetch.mockRejectedValueOnce(answer);
    else fetch.mockResolvedValueOnce(answer);
  }
  vi.stubGlobal("fetch", fetch);
  return () => fetch.mock.calls.map(([, { headers }]) => (headers as Record<string, string>)["Idempotency-Key"]);
}

test("a request whose answer was lost is sent again with its key, also while the first one runs", async () => {
  const running = new Response("{}", { status: 409, headers: { "Retry-After": "15" } });
  const keys = answering(new TypeError("network"), running, Response.json({ jobId: "1" }));
  const job = callOnce<{ jobId: string }>("jobs/1/relaunch");
  await vi.runAllTimersAsync();
  expect(await job).toEqual({ jobId: "1" });
  expect(new Set(keys()).size).toBe(1);
  expect(keys()).toHaveLength(3);
});

test("a refused request is not sent again", async () => {
  const keys = answering(new Response("{}", { status: 409 }));
  await expect(callOnce("jobs/1/relaunch")).rejects.toMatchObject({ status: 409 });
  expect(keys()).toHaveLength(1);
});
