/** How wide each reign is drawn: by how long it lasted, but never so narrow that it can't be pressed. Pure. */

const LEAST = 0.06;

export function sharesOf(reigns: readonly { began: string; ended: string | null }[], now: number): number[] {
  const lasted = reigns.map(({ began, ended }) => Math.max(0, (ended === null ? now : Date.parse(ended)) - Date.parse(began)));
  const whole = lasted.reduce((sum, part) => sum + part, 0);
  return lasted.map((part) => Math.max(LEAST, whole === 0 ? 1 / lasted.length : part / whole));
}
