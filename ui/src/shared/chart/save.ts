/** A chart as a file: the picture as it is shown, or every bucket's figures. */
import { readCurves } from '@/api/curves';
import { colour } from './theme';

export function saveAs(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The canvas in an element on the colour that is behind it. */
export function savePng(within: Element | null, name: string): void {
  const drawn = within?.querySelector('canvas');
  if (drawn === null || drawn === undefined) return;
  const canvas = document.createElement('canvas');
  canvas.width = drawn.width;
  canvas.height = drawn.height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.fillStyle = colour('--surface');
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(drawn, 0, 0);
  canvas.toBlob((blob) => blob !== null && saveAs(blob, `${fileName(name)}.png`));
}

export async function saveCsv({ runs, metric, axis }: { runs: readonly { id: string; name: string }[]; metric: string; axis: string }): Promise<void> {
  const named = new Map(runs.map((run) => [run.id, run.name]));
  const points = await readCurves({ runs: [...named.keys()], keys: [metric], width: 10_000, axis });
  const lines = ['run,name,position,last,low,high'];
  for (const { run, x, last, low, high } of points) {
    const name = cell(named.get(run) ?? '');
    x.forEach((at, index) => lines.push([run, name, at, last[index], low[index], high[index]].join(',')));
  }
  saveAs(new Blob([lines.join('\n'), '\n'], { type: 'text/csv' }), `${fileName(metric)}.csv`);
}

/** Quoted where it must be; a text that a spreadsheet would take for a formula is told that it is a text. */
export function cell(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

function fileName(text: string): string {
  return text.replaceAll(/[^\w.-]+/g, '_').slice(0, 100);
}
