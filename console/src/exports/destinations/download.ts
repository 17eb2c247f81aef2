import type { DestinationKind } from "./kind";

export const download: DestinationKind = {
  label: "Download",
  isDelivery: false,
  describe: () => "Download",
  details: [],
  Fields: () => null,
};
