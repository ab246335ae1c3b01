// QR codes as SVG elements, black on white also on a dark page, because not every camera reads others.

import { encode } from './vendor/uqr.js';
import { h, svg } from './dom.js';

const QUIET = 4;

export function qr(text, label) {
  const { data, size } = encode(text, { ecc: 'L', border: 0 });
  const squares = [];
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) if (data[y][x]) squares.push(`M${x + QUIET} ${y + QUIET}h1v1h-1z`);
  }
  const side = size + 2 * QUIET;
  const picture = svg('svg', { viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' },
    svg('rect', { width: side, height: side, fill: '#fff' }),
    svg('path', { d: squares.join(''), fill: '#000' }));
  return h('div', { class: 'qr' }, picture);
}
