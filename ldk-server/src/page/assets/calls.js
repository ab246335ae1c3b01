// All calls of the node with their documentation, to be searched.

import { calls, documentation, may } from './api.js';
import { code, empty, h, loading } from './dom.js';
import { field } from './forms.js';
import { plural } from './format.js';

const KINDS = { READS: 'changes nothing', CHANGES: 'changes something', SPENDS: 'spends', SIGNS: 'signs' };

let documents = null;

export function show(root) {
  const state = { search: '', texts: new Map() };
  const rows = h('ul', { class: 'rows calls' });
  const count = h('p', { class: 'muted', role: 'status' });
  const below = h('div', {}, loading(4));
  const search = field('Search', { type: 'search', hint: 'What you want to do, such as “invoice” or “splice”.' });
  const draw = () => drawRows(state, rows, count, below);
  search.input.addEventListener('input', () => { state.search = search.input.value.trim().toLowerCase(); draw(); });
  root.append(h('h1', {}, 'All calls'),
    h('p', { class: 'lead muted' }, 'What programs can ask of this node. ', h('a', { href: '/docs' }, 'Try them in the documentation'), '.'),
    h('section', { class: 'card stack' }, search.root, count, rows, below));
  load().then((texts) => { state.texts = texts; }, () => {}).finally(draw);
}

async function load() {
  documents ??= documentation().catch((error) => { documents = null; throw error; });
  const { paths } = await documents;
  return new Map(Object.entries(paths).map(([path, { post }]) => [path, post?.description ?? post?.summary ?? '']));
}

function drawRows(state, rows, count, below) {
  const words = state.search.split(/\s+/);
  const found = calls().filter((one) => {
    const text = `${one.name} ${one.kebab} ${one.group} ${state.texts.get(`/v1/${one.kebab}`) ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  rows.replaceChildren(...found.map((one) => row(one, state.texts.get(`/v1/${one.kebab}`))));
  count.textContent = plural(found.length, 'call');
  below.replaceChildren(...(found.length === 0 ? [empty('Nothing found', 'Search for another word.')] : []));
}

function row(one, text) {
  return h('li', { class: 'stack' },
    h('div', { class: 'row' }, h('strong', {}, one.name), h('span', { class: 'badge' }, one.group), h('span', { class: `state ${may(one.name) ? 'good' : 'off'}` }, may(one.name) ? 'Allowed' : 'Not allowed')),
    text && h('p', { class: 'muted' }, text),
    h('p', { class: 'muted' }, code(`POST /v1/${one.kebab}`), ` · ${KINDS[one.impact] ?? ''}`));
}
