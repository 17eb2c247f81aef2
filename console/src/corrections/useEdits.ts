/** The corrections of a job's rows: undone step by step, and kept when the tab is loaded again. */
import { useEffect, useEffectEvent, useRef, useState } from "react";
import type { Edit, Edits } from "./rows";

const STEPS = 100;
const PAUSE_MS = 500;

function stored(key: string): Edits {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(key) ?? "[]") as [number, Edit][]);
  } catch {
    return new Map();
  }
}

export function useEdits(jobId: string) {
  const key = `waybill.corrections.${jobId}`;
  const [edits, setEdits] = useState(() => stored(key));
  const [before, setBefore] = useState<Edits[]>([]);
  const isForgotten = useRef(false);
  const save = useEffectEvent(() => {
    if (isForgotten.current) return;
    try {
      if (edits.size) sessionStorage.setItem(key, JSON.stringify([...edits]));
      else sessionStorage.removeItem(key);
    } catch {
      sessionStorage.removeItem(key); // more than the browser keeps
    }
  });
  useEffect(() => {
    const timer = setTimeout(() => save(), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [key, edits]);
  useEffect(() => {
    const onLeave = () => save();
    window.addEventListener("pagehide", onLeave);
    return () => {
      window.removeEventListener("pagehide", onLeave);
      onLeave();
    };
  }, []);
  return {
    edits,
    /** Begins a step that can be undone. */
    begin: () => setBefore((steps) => [...steps.slice(1 - STEPS), edits]),
    change: (change: (edits: Edits) => Edits) => setEdits(change),
    canUndo: before.length > 0,
    undo: () => {
      if (!before.length) return;
      setEdits(before.at(-1)!);
      setBefore(before.slice(0, -1));
    },
    forget: () => {
      isForgotten.current = true;
      sessionStorage.removeItem(key);
    },
  };
}
