/** Parts of the console that are loaded when they are first shown. */
import { lazy, useState, type ComponentType } from "react";
import { reloadAfterUpgrade } from "./upgrade";

/** A part of the console could not be loaded. */
export class NotLoaded extends Error {}

const NEVER = new Promise<never>(() => undefined);
const failed = new Set<() => void>();

/** Has parts that could not be loaded be loaded again when they are next shown. */
export function forgetFailures(): void {
  failed.forEach((forget) => forget());
  failed.clear();
}

/**
 * A component in a script of its own. While it loads, the nearest `Suspense` shows its fallback; when it cannot be
 * loaded, the nearest `ErrorBoundary` says so.
 */
export function loadLater<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
): ComponentType<Props> {
  const part = () =>
    lazy(() =>
      load().catch(async (cause: unknown) => {
        if (await reloadAfterUpgrade()) return NEVER; // the page goes away
        failed.add(() => (current = part())); // React remembers the failure of the other
        throw new NotLoaded("A part of the console could not be loaded.", { cause });
      }),
    );
  let current = part();
  return function LoadedLater(props: Props) {
    const [Part] = useState(() => current as ComponentType<Props>);
    return <Part {...props} />;
  };
}
