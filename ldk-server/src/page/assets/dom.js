// Makes elements. Text becomes text nodes only, never markup.

const SVG = 'http://www.w3.org/2000/svg';

// h('p', { class: 'muted', onclick: f }, 'text', element, [more])
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let lastId = 0;

export function newId() {
  lastId += 1;
  return `id-${lastId}`;
}

// Characters that a reader does not see, or that turn the text around them: control characters, marks of
// direction, and spaces without width. U+200D stays, because it joins emoji.
const HIDDEN = /[\p{Cc}\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B\u200C\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFE00-\uFE0E\uFEFF\uFFA0\uFFF9-\uFFFC\u{E0000}-\u{E0FFF}]/gu;
const MOST_CHARACTERS = 1000;

// The text of a stranger: what it hides is made visible, and it cannot change the direction of what is
// around it.
export function foreign(text) {
  const characters = [...String(text ?? '')];
  const shown = characters.slice(0, MOST_CHARACTERS).join('');
  const parts = [];
  let begin = 0;
  for (const match of shown.matchAll(HIDDEN)) {
    parts.push(shown.slice(begin, match.index), codePoint(match[0]));
    begin = match.index + match[0].length;
  }
  parts.push(shown.slice(begin));
  if (characters.length > MOST_CHARACTERS) parts.push(' …');
  return h('bdi', { class: 'foreign' }, parts);
}

function codePoint(character) {
  const number = character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
  return h('span', { class: 'code-point', title: 'a character that cannot be seen' }, `U+${number}`);
}

const PATHS = {
  overview: 'M4 11.5 12 5l8 6.5V19a1 1 0 0 1-1 1h-4.5v-5h-5v5H5a1 1 0 0 1-1-1z',
  receive: 'M12 4v12m0 0 5-5m-5 5-5-5M5 20h14',
  pay: 'M12 16V4m0 0 5 5m-5-5L7 9M5 20h14',
  payments: 'M4 7h16M4 12h16M4 17h10',
  channels: 'M4 9h13m0 0-4-4m4 4-4 4M20 16H7m0 0 4-4m-4 4 4 4',
  peers: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zm-6 9a6 6 0 0 1 12 0M16 4.5a3.5 3.5 0 0 1 0 6.2M17.5 14.5A6 6 0 0 1 21 20',
  access: 'M14.5 12.5a5 5 0 1 0-3-3L4 17v3h3l1-1v-2h2v-2h2zM16 8h.01',
  backups: 'M4 5h16v4H4zM6 9v10h12V9M10 13h4',
  calls: 'M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
};

export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: PATHS[name] }));
}

// A button that copies this text.
export function copyButton(text, what) {
  const button = h('button', { type: 'button', class: 'small', 'aria-label': `Copy ${what}` }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Select it by hand';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  return button;
}

// A long text that is no prose, such as an id, whole or shortened in its middle.
export function code(text, { short = false } = {}) {
  const shown = short && text.length > 20 ? `${text.slice(0, 8)}…${text.slice(-8)}` : text;
  return h('code', { class: 'id', title: shown === text ? undefined : text }, shown);
}

export function list(pairs) {
  const rows = pairs.filter(Boolean).map(([term, ...details]) => h('div', {}, h('dt', {}, term), h('dd', {}, details)));
  return h('dl', { class: 'facts' }, rows);
}

export function problem(error) {
  return h('p', { class: 'problem', role: 'alert' }, error.message ?? String(error));
}

export function empty(title, text, action) {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), h('p', { class: 'muted' }, text), action);
}

export function loading(lines = 3) {
  const bars = Array.from({ length: lines }, () => h('span', { class: 'skeleton' }));
  return h('div', { class: 'stack', 'aria-busy': 'true', 'aria-label': 'Loading' , role: 'status' }, bars);
}

export function toast(text) {
  const shown = h('p', { class: 'toast' }, text);
  document.getElementById('toasts').append(shown);
  setTimeout(() => shown.remove(), 6000);
}
