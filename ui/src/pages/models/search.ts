/** What the address of a version says: which other one it is compared with. */
export interface VersionSearch {
  against?: number;
}

export function readVersionSearch(raw: Record<string, unknown>): VersionSearch {
  const against = Number(raw['against']);
  return Number.isInteger(against) && against > 0 ? { against } : {};
}
