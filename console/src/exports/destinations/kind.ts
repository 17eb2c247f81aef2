import type { ComponentType } from "react";
import type { Destination } from "../../api/types";

export interface FieldsProps {
  destination: Destination;
  change: (changes: Partial<Destination>) => void;
}

/** Everything the console knows about a kind of destination. */
export interface DestinationKind {
  label: string;
  /** Whether files are sent there: then it can be tested, and periodic exports can use it. */
  isDelivery: boolean;
  /** One line of text. */
  describe: (destination: Destination) => string;
  /** Members that only the summary shows, with their labels. */
  details: [Exclude<keyof Destination, "encryption" | "decryption">, string][];
  Fields: ComponentType<FieldsProps>;
}
