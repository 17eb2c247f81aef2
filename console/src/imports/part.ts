/** What of a file is sent for a look at it. */
const SENT_WHOLE_BYTES = 8 * 1024 * 1024;
const BEGINNING_BYTES = 2 * 1024 * 1024; // the API looks at one MiB of a text, and into a gzip file of this size further

/** What of a file has to be sent for a look at it: a workbook or zip file has its directory at the end. */
export async function whatToSend(file: File): Promise<Blob> {
  const head = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  const isZip = head[0] === 0x50 && head[1] === 0x4b;
  const isOldWorkbook = head[0] === 0xd0 && head[1] === 0xcf;
  return isZip || isOldWorkbook || file.size <= SENT_WHOLE_BYTES ? file : file.slice(0, BEGINNING_BYTES);
}
