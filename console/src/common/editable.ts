/** What of a resource is sent back when it is edited. */

/**
 * All but the members that the API only tells. A member that the console does not know is kept, so that no edit removes
 * it: should the API not take it, it says so.
 *
 * @param told the names of those members; one that is missing does not compile.
 */
export function editable<Given extends Wanted, Wanted extends object>(
  given: Given,
  told: Record<Exclude<keyof Given, keyof Wanted>, true>,
): Wanted {
  return Object.fromEntries(Object.entries(given).filter(([name]) => !(name in told))) as unknown as Wanted;
}
