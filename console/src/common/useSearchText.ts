/** Connects a search box with the address: a pause in typing writes the address, the back button changes the box. */
import { useEffect, useEffectEvent, useState } from "react";

const TYPING_MS = 300;

/** `inAddress` is the search text in the address; `write` changes it. */
export function useSearchText(inAddress: string, write: (text: string) => void): [string, (text: string) => void] {
  const [text, setText] = useState(inAddress);
  const [known, setKnown] = useState(inAddress);
  const [written, setWritten] = useState<string | null>(null);
  if (inAddress !== known) {
    setKnown(inAddress);
    setWritten(null);
    if (inAddress !== written) setText(inAddress); // the address changed, but not because of typing
  }
  const writeText = useEffectEvent(() => {
    setWritten(text);
    write(text);
  });
  const forgetTyping = useEffectEvent(() => {
    setWritten(null);
    setText(inAddress);
  });
  useEffect(() => {
    // Back may come before the address that was written is drawn, or while the timer runs: what is typed is given up.
    const onBack = () => forgetTyping();
    window.addEventListener("popstate", onBack);
    return () => window.removeEventListener("popstate", onBack);
  }, []);
  useEffect(() => {
    if (text === inAddress) return;
    const timer = setTimeout(() => writeText(), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, inAddress]);
  return [text, setText];
}
