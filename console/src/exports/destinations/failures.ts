import type { DeliveryFailure } from "../../api/types";

/** Why a destination does not take files. */
export const FAILURE_LABELS: Record<DeliveryFailure, string> = {
  unreachable: "The server cannot be reached",
  timeout: "The server does not answer in time",
  "connection-lost": "The connection broke off",
  busy: "The server could not do it at that moment",
  "disk-full": "The server has no room left",
  auth: "The login is refused",
  secret: "The secret cannot be used",
  "host-key": "The server shows another host key",
  certificate: "The certificate is not trusted",
  "host-refused": "This host may not be delivered to",
  permission: "Writing there is not permitted",
  "not-found": "The directory or bucket is not there",
  taken: "A file of this name is not this export's",
  exists: "Too many older files wait there",
  "encryption-key": "A key that the file is encrypted for cannot be used",
  protocol: "The server lacks something that a delivery needs",
};
