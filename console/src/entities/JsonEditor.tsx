/** A text area for JSON: monospaced, with line numbers that follow it, and proposals of what may stand at the caret. */
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import Textarea from "@cloudscape-design/components/textarea";
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from "react";
import { flushSync } from "react-dom";
import type { Place } from "./jsonPointer";
import { proposals, type Proposal, type Schemas } from "./jsonMembers";

export interface JsonEditorRef {
  /** Selects a place, and scrolls to it. */
  show: (place: Place) => void;
}

interface Props {
  ref?: Ref<JsonEditorRef>;
  value: string;
  readOnly: boolean;
  rows: number;
  /** Of the API; without them nothing is proposed. */
  schemas: Schemas | undefined;
  onChange: (value: string) => void;
}

export function JsonEditor({ ref, value, readOnly, rows, schemas, onChange }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [scrolled, setScrolled] = useState(0);
  /** What may stand where the caret was when the text was left, or asked about. */
  const [proposed, setProposed] = useState<{ caret: number; found: Proposal[] }>({ caret: 0, found: [] });
  const next = useRef<number | null>(null);
  const lines = value.split("\n").length;
  const area = () => box.current?.querySelector("textarea");

  useEffect(() => {
    const scrolling = area();
    const follow = () => setScrolled(scrolling?.scrollTop ?? 0);
    scrolling?.addEventListener("scroll", follow, { passive: true });
    return () => scrolling?.removeEventListener("scroll", follow);
  }, []);
  useEffect(() => {
    const text = area();
    if (!text || !schemas || readOnly) return;
    // Only then, so that nothing is rendered while somebody types.
    const look = () =>
      setProposed({ caret: text.selectionEnd, found: proposals(schemas, text.value, text.selectionEnd) });
    let isAsked = false;
    const press = (event: KeyboardEvent) => {
      if (!event.ctrlKey || event.code !== "Space") return;
      event.preventDefault();
      isAsked = true;
    };
    // Not before the key is up: released on the menu, it would choose the first item.
    const release = ({ code }: KeyboardEvent) => {
      if (!isAsked || code !== "Space") return;
      isAsked = false;
      flushSync(look);
      const button = box.current?.querySelector<HTMLButtonElement>(".code-members button");
      button?.focus();
      button?.click();
    };
    text.addEventListener("keydown", press);
    text.addEventListener("keyup", release);
    text.addEventListener("blur", look);
    return () => {
      text.removeEventListener("keydown", press);
      text.removeEventListener("keyup", release);
      text.removeEventListener("blur", look);
    };
  }, [schemas, readOnly]);
  useEffect(() => {
    const text = area();
    if (next.current === null || !text) return;
    text.focus();
    text.setSelectionRange(next.current, next.current);
    next.current = null;
  }, [value]);
  useImperativeHandle(ref, () => ({
    show: ({ start, end, line }) => {
      const text = area();
      if (!text) return;
      text.focus();
      text.setSelectionRange(start, end);
      text.scrollTop = ((line - 3) * text.scrollHeight) / lines;
    },
  }));

  const insert = (name: string) => {
    const { caret, found } = proposed;
    const chosen = found.find((one) => one.name === name);
    if (!chosen) return;
    next.current = caret + chosen.caret;
    onChange(value.slice(0, caret) + chosen.text + value.slice(caret));
  };
  return (
    <div ref={box}>
      <div className="code">
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
      {!readOnly && (
        <div className="code-members">
          <ButtonDropdown
            disabled={schemas === undefined}
            items={itemsOf(proposed.found)}
            onItemClick={({ detail }) => insert(detail.id)}
          >
            Insert at the caret (Ctrl+Space)
          </ButtonDropdown>
        </div>
      )}
    </div>
  );
}

function itemsOf(found: Proposal[]) {
  if (found.length === 0) return [{ id: "", text: "Nothing is proposed where the caret stands.", disabled: true }];
  return found.map(({ name, description }) => ({ id: name, text: name, secondaryText: description }));
}
