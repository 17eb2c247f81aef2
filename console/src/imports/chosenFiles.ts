/** The files that were chosen or dropped, also in folders, in the order of their names. */

const paths = new WeakMap<File, string>();
const OF_SYSTEMS = ["thumbs.db", "desktop.ini"];

/** The name of a file, with its folders where it was dropped in one. */
export function pathOf(file: File): string {
  return paths.get(file) ?? file.name;
}

/** In the order in which they are imported: by name, numbers by their value. */
export function inOrder(files: File[]): File[] {
  return [...files].sort((one, other) => pathOf(one).localeCompare(pathOf(other), undefined, { numeric: true }));
}

/** What is chosen after a change: new files replace those of before, else some were removed. */
export function chosen(before: File[], after: File[]): File[] {
  const added = after.filter((file) => !before.includes(file));
  return inOrder(added.length > 0 ? added : after);
}

type Entry = Pick<FileSystemEntry, "isDirectory" | "isFile" | "name" | "fullPath">;

/** Whether a folder is among what is dropped. It has to be asked while the event is handled. */
export function droppedEntries(transfer: Pick<DataTransfer, "items"> | null): Entry[] | null {
  const entries = Array.from(transfer?.items ?? [])
    .map((item) => item.webkitGetAsEntry?.())
    .filter((entry) => entry != null);
  return entries.some((entry) => entry.isDirectory) ? entries : null;
}

/**
 * All files of what was dropped, also in folders of folders; those that systems leave there are left out.
 * @throws DOMException - one of them cannot be read.
 */
export async function filesIn(entries: Entry[]): Promise<File[]> {
  const found: File[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".") || OF_SYSTEMS.includes(entry.name.toLowerCase())) continue;
    if (entry.isDirectory) {
      const reader = (entry as FileSystemDirectoryEntry).createReader();
      const read = () => new Promise<Entry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      for (let some = await read(); some.length > 0; some = await read()) found.push(...(await filesIn(some)));
    } else {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      paths.set(file, entry.fullPath.replace(/^\//, ""));
      found.push(file);
    }
  }
  return found;
}
