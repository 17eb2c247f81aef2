import { afterEach, expect, test, vi } from "vitest";
import { call, callOnce } from "./client";

const session = vi.hoisted(() => ({ tokens: ["token"], refused: "" }));
vi.mock("../session/auth", () => ({
  API: "http://api.test/v1/",
  accessToken: () => Promise.resolve(session.tokens.length > 1 ? session.tokens.shift() : session.tokens[0]),
  replacement: () => Promise.resolve("replacement"),
  refused: (_: string, reason: string) => (session.refused = reason),
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

test("somebody who asked too much is told so, and when to try again, instead of waiting for minutes", async () => {
  const problem = { title: "Too many requests", detail: "You have 100 jobs that have not ended." };
  const refused = (seconds: string) => Response.json(problem, { status: 429, headers: { "Retry-After": seconds } });
  const keys = answering(refused("30"));
  await expect(callOnce("imports")).rejects.toMatchObject({ ...problem, nextStep: "Try again in 30 seconds." });
  expect(keys()).toHaveLength(1);
  answering(refused("3600"));
  await expect(call("POST", "exports")).rejects.toMatchObject({ nextStep: "Try again in 60 minutes." });
});

test("a request whose token is refused goes on with another one, and if need be after its person has signed in", async () => {
  const no = () => Response.json({ title: "No", detail: "The token is not meant for this service." }, { status: 401 });
  answering(no(), no(), Response.json({ jobId: "1" }));
  session.tokens = ["token", "of the next session"];
  expect(await call("POST", "jobs/1/stop")).toEqual({ jobId: "1" });
  expect(session.refused).toBe("The token is not meant for this service.");
  const calls = vi.mocked(fetch).mock.calls;
  const sent = calls.map(([, request]) => (request?.headers as Record<string, string>).Authorization);
  expect(sent).toEqual(["Bearer token", "Bearer replacement", "Bearer of the next session"]);
});
