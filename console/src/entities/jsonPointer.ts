/** Finds the value of a JSON pointer (RFC 6901) in JSON text. */

export interface Place {
  start: number;
  end: number;
  line: number;
}

/** Returns the position of the value, or of its innermost ancestor that exists. The text has to be valid JSON. */
export function locate(text: string, pointer: string): Place {
  const wanted = pointer
    .replace(/^#/, "")
    .split("/")
    .slice(1)
    .map((token) => token.replace(/~1/g, "/").replace(/~0/g, "~"));
  let at = 0;
  let found = { start: 0, end: text.length };

  const blanks = () => {
    while (/\s/.test(text[at] ?? "")) at++;
  };
  const string = (): string => {
    const start = at++;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at++;
    return JSON.parse(text.slice(start, at)) as string;
  };
  /** Skips a value. `depth` tokens of the pointer lead to it; null if it is not on the way. */
  const value = (depth: number | null): void => {
    blanks();
    const start = at;
    const open = text[at];
    if (open === "{" || open === "[") {
      at++;
      blanks();
      for (let index = 0; text[at] !== "}" && text[at] !== "]"; index++) {
        const token = open === "{" ? string() : String(index);
        blanks();
        if (open === "{") at++; // the colon
        value(depth !== null && token === wanted[depth] ? depth + 1 : null);
        blanks();
        if (text[at] === ",") at++;
        blanks();
      }
      at++;
    } else if (open === '"') string();
    else while (at < text.length && !/[\s,\]}]/.test(text[at]!)) at++;
    // Inner values end first, so the deepest match stays.
    if (depth !== null && depth > best) {
      best = depth;
      found = { start, end: at };
    }
  };
  let best = -1;
  value(0);
  return { ...found, line: text.slice(0, found.start).split("\n").length };
}
