/** A text area for JSON: monospaced, with line numbers that follow it. */
import Textarea from "@cloudscape-design/components/textarea";
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from "react";
import type { Place } from "./jsonPointer";

export interface JsonEditorRef {
  /** Selects a place, and scrolls to it. */
  show: (place: Place) => void;
}

interface Props {
  ref?: Ref<JsonEditorRef>;
  value: string;
  readOnly: boolean;
  rows: number;
  onChange: (value: string) => void;
}

export function JsonEditor({ ref, value, readOnly, rows, onChange }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [scrolled, setScrolled] = useState(0);
  const lines = value.split("\n").length;
  const area = () => box.current?.querySelector("textarea");

  useEffect(() => {
    const scrolling = area();
    const follow = () => setScrolled(scrolling?.scrollTop ?? 0);
    scrolling?.addEventListener("scroll", follow, { passive: true });
    return () => scrolling?.removeEventListener("scroll", follow);
  }, []);
  useImperativeHandle(ref, () => ({
    show: ({ start, end, line }) => {
      const text = area();
      if (!text) return;
      text.focus();
      text.setSelectionRange(start, end);
      text.scrollTop = ((line - 3) * text.scrollHeight) / lines;
    },
  }));

  return (
    <div ref={box} className="code">
      <div className="code-lines" aria-hidden>
        <pre style={{ transform: `translateY(${-scrolled}px)` }}>
          {Array.from({ length: lines }, (_, index) => index + 1).join("\n")}
        </pre>
      </div>
      <Textarea
        rows={rows}
        spellcheck={false}
        readOnly={readOnly}
        value={value}
        onChange={({ detail }) => onChange(detail.value)}
      />
    </div>
  );
}
