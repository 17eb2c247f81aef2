import { createHash } from "node:crypto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Problem, UNREACHABLE } from "../api/problem";
import { sendInParts, type OnProgress, type SERVICE } from "./partUploads";

vi.mock("../session/auth", () => ({ API: "https://api.example/v1/" }));

const PART = 1_000;
const KEPT = "2026-03-03T09:30:00Z";
const CONTENT = new Uint8Array(4_300).map((_, at) => at % 251);
const big = (content: Uint8Array<ArrayBuffer> = CONTENT) => new File([content], "big.csv", { lastModified: 7 });
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("base64");

/** The service and S3: what arrives, and what fails once. */
function remote() {
  const arrived = new Map<number, Uint8Array>();
  const state = { isComplete: false, jobId: null as string | null, begun: 0, gone: false };
  const puts: number[] = [];
  const failing = new Map<number, Error[]>();
  const call = (method: string, path: string, { body }: { body?: unknown } = {}) => {
    if (path === "uploads") {
      state.begun += 1;
      return Promise.resolve({ uploadId: "u1", partBytes: PART, partCount: 5, expiresAt: KEPT });
    }
    if (method === "GET") {
      if (state.gone) return Promise.reject(new Problem(410, "Expired", "This upload has expired."));
      const parts = [...arrived].map(([partNumber, data]) => ({ partNumber, sha256: sha256(data) }));
      return Promise.resolve({ ...state, sizeBytes: CONTENT.length, partBytes: PART, parts, expiresAt: KEPT });
    }
    if (path === "uploads/u1/parts") {
      const [one] = (body as { parts: { partNumber: number; sha256: string }[] }).parts;
      return Promise.resolve({ parts: [{ url: `/part/${one!.partNumber}`, headers: { checksum: one!.sha256 } }] });
    }
    const digests = [...arrived]
      .sort(([a], [b]) => a - b)
      .map(([, data]) => createHash("sha256").update(data).digest());
    expect(body).toEqual({ checksum: `${sha256(Buffer.concat(digests))}-5` });
    state.isComplete = true;
    return Promise.resolve({});
  };
  const put = (url: string, headers: Record<string, string>, data: ArrayBuffer, onProgress: (sent: number) => void) => {
    const number = Number(url.slice("/part/".length));
    puts.push(number);
    onProgress(data.byteLength);
    const failure = failing.get(number)?.shift();
    if (failure) return Promise.reject(failure);
    expect(headers.checksum).toBe(sha256(new Uint8Array(data)));
    arrived.set(number, new Uint8Array(data));
    return Promise.resolve();
  };
  const pause = vi.fn(() => Promise.resolve());
  return { state, arrived, puts, failing, pause, as: { call, put, pause } as unknown as typeof SERVICE };
}

const send = (given: ReturnType<typeof remote>, file = big(), tell: OnProgress = () => {}) =>
  sendInParts("contacts", file, tell, new AbortController().signal, given.as);

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
  });
});

describe("a file in parts", () => {
  it("arrives whole, with the checksum of each part and of all", async () => {
    const given = remote();
    const told: number[] = [];
    const kept = new Set<string | undefined>();
    const tell = (sent: number, keptUntil?: string) => (told.push(sent), void kept.add(keptUntil));
    expect(await send(given, big(), tell)).toBe("u1");
    expect([...kept]).toEqual([KEPT]);
    const whole = [...given.arrived].sort(([a], [b]) => a - b).flatMap(([, data]) => [...data]);
    expect(whole).toEqual([...CONTENT]);
    expect(told.at(-1)).toBe(CONTENT.length);
    expect(given.state.isComplete).toBe(true);
  });

  it("sends a part again that failed, and no other", async () => {
    const given = remote();
    given.failing.set(3, [UNREACHABLE, UNREACHABLE]);
    await send(given);
    expect([...given.puts].sort()).toEqual([1, 2, 3, 3, 3, 4, 5]);
    expect(given.pause).toHaveBeenCalledTimes(2);
  });

  it("goes on after a reload when the same file is chosen again", async () => {
    const given = remote();
    given.failing.set(4, [new Problem(400, "The file was refused", "…")]);
    await expect(send(given)).rejects.toThrow("refused");
    const there = new Set(given.arrived.keys());
    given.puts.length = 0;
    await send(given);
    expect(given.puts.filter((number) => there.has(number))).toEqual([]);
    expect(given.state.begun).toBe(1);
  });

  it("sends parts again that have changed in a file of the same name, size and time", async () => {
    const given = remote();
    await send(given);
    given.state.isComplete = false;
    const changed = CONTENT.slice();
    changed[0] = 99;
    given.puts.length = 0;
    await send(given, big(changed));
    expect(given.puts).toEqual([1]);
  });

  it.each(["gone", "imported"])("begins anew when the earlier upload is %s", async (what) => {
    const given = remote();
    await send(given);
    if (what === "gone") given.state.gone = true;
    else given.state.jobId = "j1";
    await send(given);
    expect(given.state.begun).toBe(2);
  });

  it("stops when the user says so", async () => {
    const given = remote();
    const user = new AbortController();
    user.abort();
    await expect(sendInParts("contacts", big(), () => {}, user.signal, given.as)).rejects.toThrow();
    expect(given.puts).toEqual([]);
  });
});
