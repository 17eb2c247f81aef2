/** Who is signed in, as the API sees them, and what they may do. */
import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import type { Entity, Me, Right } from "../api/types";
import { useSession } from "./auth";

/** The user; without groups until the API has answered. */
export function useMe(): Me {
  const session = useSession();
  const { data } = useQuery({
    queryKey: ["me"],
    queryFn: ({ signal }) => call<Me>("GET", "me", { signal }),
    staleTime: Infinity,
    meta: { announce: "always" },
  });
  return data ?? { name: session?.user ?? "", subject: "", groups: [] };
}

export function isAdmin(me: Me): boolean {
  return me.groups.includes("admin");
}

/** Whether the API would allow it: people are not offered what ends in a refusal. */
export function may(me: Me, right: Right, entity: Entity): boolean {
  return isAdmin(me) || (entity.permissions?.[right] ?? []).some((group) => me.groups.includes(group));
}
