/** The signed-in user and their permissions. */
import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import type { Entity, Me, Right } from "../api/types";
import { useSession } from "./auth";

/** Who is signed in; what is left to them changes by the minute, and is asked for where it is shown. */
export type Caller = Omit<Me, "limits" | "retention"> & Partial<Pick<Me, "retention">>;

/** The signed-in user; without groups until the API has answered. */
export function useMe(): Caller {
  const { session } = useSession();
  const { data } = useQuery({
    queryKey: ["me"],
    queryFn: ({ signal }) => call<Me>("GET", "me", { signal }),
    staleTime: Infinity,
    meta: { announce: "always" },
  });
  return data ?? { name: session?.user ?? "", subject: "", groups: [] };
}

export function isAdmin(me: Caller): boolean {
  return me.groups.includes("admin");
}

/** Whether the API would permit it: the console does not offer actions that would be refused. */
export function may(me: Caller, right: Right, entity: Entity): boolean {
  return isAdmin(me) || (entity.permissions?.[right] ?? []).some((group) => me.groups.includes(group));
}
