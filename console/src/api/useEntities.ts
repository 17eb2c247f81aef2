import { useQuery } from "@tanstack/react-query";
import { at, call, pages } from "./client";
import type { Entity } from "./types";

const MOST = 10_000;

/** All entities that the user may see. */
export function useEntities({ announce }: { announce?: "always" } = {}) {
  return useQuery({
    queryKey: ["entities"],
    queryFn: async ({ signal }) => (await pages<Entity>("entities", {}, { wanted: MOST, signal })).items,
    meta: { announce },
  });
}

export function useEntity(name: string) {
  return useQuery({
    queryKey: ["entities", name],
    queryFn: ({ signal }) => call<Entity>("GET", at`entities/${name}`, { signal }),
  });
}
