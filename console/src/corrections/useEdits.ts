/** The corrections of a job's rows: undone step by step, and kept when the tab is loaded again or they were sent. */
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { PREFIX } from "../common/useKept";
import { useSession } from "../session/auth";
import { asSent, type Edit, type Edits } from "./rows";

const STEPS = 100;
const PAUSE_MS = 500;

function stored(key: string): Edits {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(key) ?? "[]") as [number, Edit][]);
  } catch {
    return new Map();
  }
}

/** False where they are more than the browser keeps, or it keeps nothing: none are kept then. */
function store(key: string, edits: Edits): boolean {
  try {
    sessionStorage.removeItem(key); // older ones are worse than none
    if (edits.size) sessionStorage.setItem(key, JSON.stringify([...edits]));
    return true;
  } catch {
    return false;
  }
}

/** Of the person who is signed in, so that nobody gets what another has typed. */
export function useEdits(jobId: string) {
  const { session } = useSession();
  const [key] = useState(() => `${PREFIX}${session?.subject}/corrections/${jobId}`); // also once the session has ended
  const [{ edits, before }, set] = useState(() => ({ edits: stored(key), before: [] as Edits[] }));
  const [isKept, setKept] = useState(true);
  const isSent = useRef(false);
  const save = useEffectEvent(() => isSent.current || store(key, edits));
  useEffect(() => {
    const timer = setTimeout(() => setKept(save()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [key, edits]);
  useEffect(() => {
    const onLeave = () => void save();
    window.addEventListener("pagehide", onLeave);
    return () => {
      window.removeEventListener("pagehide", onLeave);
      onLeave();
    };
  }, []);
  return {
    edits,
    /** False where a reload would lose them. */
    isKept,
    /** Whether leaving the screen now would lose them. */
    isLost: () => !isKept && !isSent.current,
    /** Begins a step that can be undone. */
    begin: () => set((now) => ({ ...now, before: [...now.before.slice(1 - STEPS), now.edits] })),
    change: (change: (edits: Edits) => Edits) => set((now) => ({ ...now, edits: change(now.edits) })),
    canUndo: before.length > 0,
    undo: () => set((now) => ({ edits: now.before.at(-1) ?? now.edits, before: now.before.slice(0, -1) })),
    /** Keeps them as what was sent with a job; the page is left. */
    keepAsSent: (childId: string) => {
      isSent.current = true;
      store(key, asSent(edits, childId));
    },
  };
}
