import { describe, expect, it, vi } from "vitest";
import { Problem } from "../api/problem";
import type { ColumnProposal, Entity, Job, Preview } from "../api/types";
import { chosen, filesIn, inOrder, pathOf } from "./chosenFiles";
import { importFiles, type Common, type FileState, type SERVICE } from "./importFiles";

vi.mock("../session/auth", () => ({ API: "https://api.example/v1/" }));

const named = (...names: string[]) => names.map((name) => new File(["x"], name));
const entity = { name: "e", schema: { fields: [{ name: "id" }, { name: "vip" }], primaryKey: ["id"] } } as Entity;
const known = (field: string): ColumnProposal => ({ field, isKnown: true, why: null, choices: [] });
const alike = (field: string): ColumnProposal => ({ field, isKnown: false, why: "is alike", choices: [] });
const preview = (labels: string[], proposals: ColumnProposal[], more: Partial<Preview> = {}) =>
  ({ labels, proposals, error: null, warnings: [], detected: null, ...more }) as unknown as Preview;
const WHOLE = preview(["id", "vip"], [known("id"), known("vip")]);
const WRONG = { code: "missing-label", message: "There is no label", rowNumber: 1 };
const options = (mode: string, columns: Record<string, string>) => ({ mode, columns }) as never;
const COMMON: Common = { entity, mode: null, options, reading: options, mappingOf: () => undefined };

function service(previews: Record<string, Preview>) {
  const started: [string, unknown][] = [];
  const fake = {
    previewPart: (file: File) => Promise.resolve(file),
    sendFile: (_: string | null, file: File, part: Blob) =>
      file.name === "lost.csv"
        ? Promise.reject(new Problem(0, "Unreachable", "No answer."))
        : Promise.resolve({ entity: "e", file, isWhole: part === file, uploadId: file.name }),
    previewUpload: vi.fn((sent: { uploadId: string }, { columns }: { columns: object }) => {
      const found = previews[sent.uploadId] ?? WHOLE;
      return Promise.resolve(Object.keys(columns).length > 0 ? { ...found, error: null } : found);
    }),
    startImport: vi.fn((sent: { uploadId: string }, body: unknown) => {
      started.push([sent.uploadId, body]);
      return Promise.resolve({ jobId: sent.uploadId } as Job);
    }),
  };
  return { started, fake, as: fake as unknown as typeof SERVICE };
}

async function run(names: string[], previews: Record<string, Preview>, common = COMMON, given = service(previews)) {
  const states = new Map<string, FileState>();
  const files = named(...names);
  await importFiles(
    files,
    common,
    (file, state) => states.set(file.name, state),
    new AbortController().signal,
    given.as,
  );
  return { started: given.started, kinds: names.map((name) => states.get(name)!.kind), states };
}

describe("several files", () => {
  it("are imported in order; one that fails does not stop the others, and says why", async () => {
    const previews = { "bad.csv": preview(["x"], [{ ...known("x"), field: null }], { error: WRONG }) };
    const { started, kinds, states } = await run(["a.csv", "bad.csv", "lost.csv", "z.csv"], previews);
    expect(kinds).toEqual(["started", "failed", "failed", "started"]);
    expect(started.map(([name]) => name)).toEqual(["a.csv", "z.csv"]);
    expect(states.get("bad.csv")).toMatchObject({ problem: { detail: "There is no label (missing-label)." } });
  });

  it("have each the columns and the mode that their header needs", async () => {
    const previews = {
      "renamed.csv": preview(["ID", "vip"], [alike("id"), known("vip")], { error: WRONG }),
      "short.csv": preview(["id"], [known("id")]),
    };
    const { started } = await run(["a.csv", "renamed.csv", "short.csv"], previews);
    expect(started).toEqual([
      ["a.csv", { mode: "upsert", columns: {} }],
      ["renamed.csv", { mode: "upsert", columns: { ID: "id" } }],
      ["short.csv", { mode: "merge", columns: {} }],
    ]);
    const chosenMode = await run(["short.csv"], previews, { ...COMMON, mode: "upsert" });
    expect(chosenMode.started).toEqual([["short.csv", { mode: "upsert", columns: {} }]]);
  });

  it("take the fields that were chosen for their labels", async () => {
    const previews = { "b.csv": preview(["id", "x"], [known("id"), { ...known("x"), field: null }], { error: WRONG }) };
    const mappingOf = (labels: string[]) => (labels[1] === "x" ? ["id", "vip"] : undefined);
    const { started } = await run(["b.csv"], previews, { ...COMMON, mappingOf });
    expect(started).toEqual([["b.csv", { mode: "upsert", columns: { x: "vip" } }]]);
  });

  it("wait when the service asks for it", async () => {
    vi.useFakeTimers();
    const given = service({});
    given.fake.startImport.mockRejectedValueOnce(new Problem(429, "Too many", "jobs", [], [], 30_000));
    const running = run(["a.csv"], {}, COMMON, given);
    await vi.advanceTimersByTimeAsync(30_000);
    expect((await running).kinds).toEqual(["started"]);
    vi.useRealTimers();
  });

  it("that were not begun are told when sending is stopped", async () => {
    const states: string[] = [];
    const aborting = new AbortController();
    const given = service({});
    given.fake.startImport.mockImplementationOnce(() => {
      aborting.abort();
      return Promise.reject(new DOMException("stopped", "AbortError"));
    });
    await importFiles(
      named("a", "b"),
      COMMON,
      (file, { kind }) => states.push(`${file.name} ${kind}`),
      aborting.signal,
      given.as,
    );
    expect(states.slice(-2)).toEqual(["a stopped", "b stopped"]);
  });
});

describe("chosen files", () => {
  it("stand in the order of their names, numbers by value", () => {
    const names = inOrder(named("o_10.csv", "o_2.csv", "a.csv")).map(({ name }) => name);
    expect(names).toEqual(["a.csv", "o_2.csv", "o_10.csv"]);
  });

  it("replace those of before, or are what is left of them", () => {
    const [a, b, c] = named("a", "b", "c") as [File, File, File];
    expect(chosen([a], [a, c, b])).toEqual([b, c]);
    expect(chosen([a, b], [b])).toEqual([b]);
  });

  it("are all of a folder, with the folders in it", async () => {
    const entry = (path: string) => {
      const file = new File(["x"], path.split("/").at(-1)!);
      const reading = (resolve: (file: File) => void) => resolve(file);
      return { isFile: true, isDirectory: false, name: file.name, fullPath: path, file: reading };
    };
    const folder = (path: string, ...pages: object[][]) => ({
      isFile: false,
      isDirectory: true,
      name: path.split("/").at(-1)!,
      fullPath: path,
      createReader: () => ({ readEntries: (resolve: (page: object[]) => void) => resolve(pages.shift() ?? []) }),
    });
    const inner = folder("/in/old", [entry("/in/old/a.csv")]);
    const outer = folder("/in", [entry("/in/b.csv"), entry("/in/.DS_Store")], [inner, entry("/in/Thumbs.db")]);
    expect(inOrder(await filesIn([outer])).map(pathOf)).toEqual(["in/b.csv", "in/old/a.csv"]);
  });
});
