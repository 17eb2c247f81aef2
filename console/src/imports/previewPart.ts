const SENT_WHOLE_BYTES = 8 * 1024 * 1024;
const BEGINNING_BYTES = 2 * 1024 * 1024; // a preview reads one MiB of a text, and more of a gzip file

/** Returns what a preview needs: the beginning of a text, all of a workbook or zip file (its directory is at the end). */
export async function previewPart(file: File, beginningBytes = BEGINNING_BYTES): Promise<Blob> {
  const head = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  const isZip = head[0] === 0x50 && head[1] === 0x4b;
  const isOldWorkbook = head[0] === 0xd0 && head[1] === 0xcf;
  return isZip || isOldWorkbook || file.size <= SENT_WHOLE_BYTES ? file : file.slice(0, beginningBytes);
}
