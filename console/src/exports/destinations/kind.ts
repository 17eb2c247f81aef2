import type { ComponentType } from "react";
import type { Destination } from "../../api/types";

export interface FieldsProps {
  destination: Destination;
  change: (changes: Partial<Destination>) => void;
}

/** What the console knows of a kind of destination. */
export interface DestinationKind {
  label: string;
  /** Whether a file is sent there: it can be tested, and periodic exports can use it. */
  isDelivery: boolean;
  /** The place in a line of text. */
  describe: (destination: Destination) => string;
  /** Members that only the summary shows, with their labels. */
  details: [keyof Destination, string][];
  /** The form. */
  Fields: ComponentType<FieldsProps>;
}
