import { describe, expect, it } from 'vitest';
import { binned, figureIn } from './figure';

const layout = { title: { text: 'ROC <b>curve</b>' }, xaxis: { title: { text: 'fpr' } }, yaxis: { title: 'tpr' } };

describe('a figure of Plotly', () => {
  it('is read from JSON', () => {
    const figure = figureIn(JSON.stringify({ data: [{ x: [0, 1], y: [0, null], mode: 'lines+markers', name: 'a' }, { type: 'bar', x: ['p', 'q'], y: [3, 'no'] }, { type: 'pie' }], layout }));
    expect(figure).toEqual({
      title: 'ROC  curve',
      x: 'fpr',
      y: 'tpr',
      traces: [
        { name: 'a', kind: 'both', x: [0, 1], y: [0, null] },
        { name: 'trace 2', kind: 'bars', x: ['p', 'q'], y: [3, null] },
      ],
      left: ['pie'],
    });
  });
  it('is read from the page that Plotly writes, brackets in texts and all', () => {
    const page = `<script src="https://cdn.example/plotly.js"></script><script>Plotly.newPlot("an-id", [{"name":"odd \\"]}","y":[1,2],"type":"scatter"}], ${JSON.stringify(layout)}, {"responsive": true})</script>`;
    expect(figureIn(page)).toMatchObject({ title: 'ROC  curve', traces: [{ name: 'odd "]}', kind: 'lines', x: [0, 1], y: [1, 2] }] });
  });
  it('holds bytes of NumPy', () => {
    const bytes = new Uint8Array(new Float64Array([0.5, -2]).buffer);
    const bdata = btoa(String.fromCharCode(...bytes));
    expect(figureIn(JSON.stringify({ data: [{ y: { dtype: 'f8', bdata } }] }))?.traces[0]?.y).toEqual([0.5, -2]);
  });
  it('is none where there is none', () => {
    for (const text of ['', '{}', '[1]', '{"data": 3}', '<h1>Report</h1>', 'Plotly.newPlot("x", [{"a":', '{"data": [nonsense']) expect(figureIn(text)).toBeNull();
  });
});

it('values are counted in bins', () => {
  expect(binned([]).y).toEqual([]);
  expect(binned([2, 2, null])).toEqual({ x: [2.5], y: [2] });
  const { x, y } = binned([0, 1, 40]);
  expect([y.length, y[0], y[1], y.at(-1), x[0]]).toEqual([40, 1, 1, 1, 0.5]);
});
