/** The file on its way to the API, and what the API says of it with the options that are chosen. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { Entity, Preview } from "../contract";
import { Problem } from "../problem";
import { whatToSend } from "./part";
import { lookAt, sendFile, type ReadOptions, type Sending } from "./send";

const UNREADABLE = new Problem(-1, "The file cannot be read", "It was moved, changed or is a folder.");
const SETTLED_MS = 150; // several changes are one look

export interface Look {
  seen: Preview | null;
  /** Being sent or looked at. */
  busy: boolean;
  /** Bytes that are sent, of `size`; null when nothing is being sent. */
  sent: number | null;
  size: number;
  problem: Problem | null;
  /** The whole file as an upload that can be imported. */
  whole: (signal: AbortSignal) => Promise<Sending>;
  /** What was sent is used up: an upload is imported once. */
  forget: () => void;
}

export function useLook(entity: Entity | undefined, file: File | null, options: ReadOptions): Look {
  const [seen, setSeen] = useState<Preview | null>(null);
  const [busy, setBusy] = useState(false);
  const [progress, setProgress] = useState<{ sent: number | null; size: number }>({ sent: null, size: 0 });
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState<Sending | null>(null);
  const onItsWay = useRef<{ promise: Promise<Sending>; isWhole: boolean } | null>(null);
  const key = JSON.stringify(options);

  useEffect(() => {
    setSeen(null);
    setSending(null);
    setProblem(null);
    onItsWay.current = null;
    if (!entity || !file) return;
    const control = new AbortController();
    const send = async () => {
      setBusy(true);
      try {
        const part = await whatToSend(file).catch(() => Promise.reject(UNREADABLE));
        if (control.signal.aborted) return;
        setProgress({ sent: 0, size: part.size });
        const promise = sendFile(entity, file, part, (sent) => setProgress({ sent, size: part.size }), control.signal);
        onItsWay.current = { promise, isWhole: part === file };
        setSending(await promise);
      } catch (error) {
        if (control.signal.aborted) return;
        onItsWay.current = null;
        setProblem(Problem.of(error));
        setBusy(false);
      } finally {
        if (!control.signal.aborted) setProgress({ sent: null, size: 0 });
      }
    };
    void send();
    return () => control.abort();
  }, [entity, file]);

  useEffect(() => {
    if (!sending) return;
    const control = new AbortController();
    setBusy(true);
    const timer = setTimeout(() => {
      lookAt(sending, JSON.parse(key) as ReadOptions, control.signal)
        .then(
          (preview) => {
            setSeen(preview);
            setProblem(null);
          },
          (error: unknown) => control.signal.aborted || setProblem(Problem.of(error)),
        )
        .finally(() => control.signal.aborted || setBusy(false));
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [sending, key]);

  const whole = useCallback(
    async (signal: AbortSignal) => {
      if (onItsWay.current?.isWhole) return onItsWay.current.promise;
      setProgress({ sent: 0, size: file!.size });
      try {
        const promise = sendFile(entity!, file!, file!, (sent) => setProgress({ sent, size: file!.size }), signal);
        const sent = await promise;
        onItsWay.current = { promise, isWhole: true };
        return sent;
      } finally {
        setProgress({ sent: null, size: 0 });
      }
    },
    [entity, file],
  );
  const forget = useCallback(() => {
    onItsWay.current = null;
  }, []);

  return { seen, busy, ...progress, problem, whole, forget };
}
