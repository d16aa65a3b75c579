/** What addresses say. */

/** Each part, or undefined where the address says nothing of it. */
export type Told<T> = { [K in keyof T]?: T[K] | undefined };

/** Only what is said, so that an address stays short. */
export function told<T extends object>(found: Told<T>): Partial<T> {
  return Object.fromEntries(Object.entries<unknown>(found).filter(([, value]) => value !== undefined)) as Partial<T>;
}
