/** Who is signed in, as the API sees them, and what they may do. */
import { createContext, useContext } from "react";
import type { Entity, Me, Right } from "./contract";

export const MeContext = createContext<Me>({ name: "", subject: "", groups: [] });

export function useMe(): Me {
  return useContext(MeContext);
}

export function isAdmin(me: Me): boolean {
  return me.groups.includes("admin");
}

/** As the API decides it; asking spares people a dialog that ends in a refusal. */
export function may(me: Me, right: Right, entity: Entity): boolean {
  return isAdmin(me) || (entity.permissions?.[right] ?? []).some((group) => me.groups.includes(group));
}
