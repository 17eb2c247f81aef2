import { expect, test } from "vitest";
import { reloadFor } from "./upgrade";

test("the page is loaded again for a build that is new to it", () => {
  expect(reloadFor("index-b.js", "index-a.js", [])).toEqual(["index-b.js"]);
});

test("it stays when the server has the same build, or is out of reach", () => {
  expect(reloadFor("index-a.js", "index-a.js", [])).toBeNull();
  expect(reloadFor(null, "index-a.js", [])).toBeNull();
});

test("two builds that are served in turn end the reloading", () => {
  let running = "index-a.js";
  let tried: string[] = [];
  let reloads = 0;
  for (let round = 0; round < 10; round++) {
    const served = running === "index-a.js" ? "index-b.js" : "index-a.js";
    const builds = reloadFor(served, running, tried);
    if (builds === null) continue;
    [tried, running] = [builds, served];
    reloads++;
  }
  expect(reloads).toBe(2);
});
