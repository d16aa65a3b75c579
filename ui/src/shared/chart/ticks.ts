/** What stands at the ticks of an axis. */

const MOST_DIGITS = 8;
/** So far, as a part of the way to the next tick, may the text of one be from where it is. */
const EXACT = 0.01;

/** Short, and with as many digits as it takes to say where each is: an axis of one figure repeated says nothing. */
export function ticks(values: readonly (number | null)[]): string[] {
  const places = values.filter((value) => value !== null).sort((a, b) => a - b);
  const apart = Math.min(...places.slice(1).map((place, index) => place - (places[index] ?? 0)));
  for (let more = 0; ; more += 1) {
    const told = values.map((value) => (value === null ? null : tick(value, more)));
    if (more === MOST_DIGITS || told.every((one, index) => one === null || Math.abs(one.place - (values[index] ?? 0)) <= apart * EXACT)) {
      return told.map((one) => one?.text ?? '');
    }
  }
}

/** The text of a tick, and the place that it names. */
function tick(value: number, more: number): { text: string; place: number } {
  const size = Math.abs(value);
  if (size >= 1e9 || (size < 1e-3 && size > 0)) {
    const text = value.toExponential(more);
    return { text: text.replace('e+', 'e'), place: Number(text) };
  }
  const [unit, name, digits] = size >= 1e6 ? ([1e6, 'M', 3] as const) : size >= 1e4 ? ([1e3, 'k', 3] as const) : ([1, '', 6] as const);
  const shown = Number((value / unit).toPrecision(digits + more));
  return { text: `${shown}${name}`, place: shown * unit };
}
