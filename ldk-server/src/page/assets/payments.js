// All payments, with filters and a search, as they happen.

import { call } from './api.js';
import { empty, h, loading, problem } from './dom.js';
import { field } from './forms.js';
import { amountText, plural } from './format.js';
import { paymentRow } from './payment-row.js';
import { watch } from './store.js';
import { isInbound, kindOf, stateOf } from './words.js';

const FILTERS = [
  ['all', 'All', () => true],
  ['in', 'Received', (payment) => isInbound(payment) && payment.status === 'SUCCEEDED'],
  ['out', 'Paid', (payment) => !isInbound(payment) && payment.status === 'SUCCEEDED'],
  ['open', 'Waiting', (payment) => payment.status === 'PENDING' && !payment.expired],
  ['failed', 'Failed or expired', (payment) => payment.status === 'FAILED' || payment.expired],
];
const HASH = /^[0-9a-f]{64}$/;

export function show(root) {
  const state = { filter: FILTERS[0], search: '', first: null, older: [], next: undefined, found: null };
  const rows = h('ul', { class: 'rows', 'aria-label': 'Payments' });
  const count = h('p', { class: 'muted', role: 'status' });
  const below = h('div', {}, loading(6));
  const draw = () => drawRows(state, { rows, count, below, more });
  const more = h('button', { type: 'button', onclick: () => loadOlder(state, more, draw) }, 'Load older payments');
  const search = field('Search', { type: 'search', hint: 'An amount, a kind, a note, or the beginning of an id. Older payments are found by their whole id.' });
  search.input.addEventListener('input', () => searchFor(state, search.input.value, draw));
  root.append(h('h1', {}, 'Payments'),
    h('section', { class: 'card stack' }, search.root, chips(state, draw), count, rows, below));
  return watch('payments', (page, error) => {
    if (error) below.replaceChildren(problem(error));
    if (!page) return;
    if (state.older.length === 0) state.next = page.next_page_token;
    state.first = page.payments;
    draw();
  });
}

function chips(state, draw) {
  const buttons = FILTERS.map((filter) => h('button', { type: 'button', class: 'chip', 'aria-pressed': String(filter === state.filter), onclick: () => {
    state.filter = filter;
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(FILTERS[index] === filter)));
    draw();
  } }, filter[1]));
  return h('div', { class: 'chips', role: 'group', 'aria-label': 'Which payments' }, buttons);
}

function searchFor(state, text, draw) {
  state.search = text.trim().toLowerCase();
  state.found = null;
  if (HASH.test(state.search)) lookUp(state, state.search, draw);
  draw();
}

// What is not on the pages that are loaded.
async function lookUp(state, id, draw) {
  const answer = await call('GetPaymentDetails', { payment_id: id }).catch(() => ({}));
  if (state.search !== id) return;
  state.found = answer.payment ?? null;
  draw();
}

// Each payment once, the newest first: those that arrived since move others to the next page.
function loaded(state) {
  const byId = new Map();
  for (const payment of [...(state.first ?? []), ...state.older, ...(state.found ? [state.found] : [])]) {
    if (!byId.has(payment.id)) byId.set(payment.id, payment);
  }
  return [...byId.values()];
}

function textOf(payment) {
  const { title, details } = kindOf(payment);
  const amounts = payment.amount_msat === undefined ? '' : `${amountText(payment.amount_msat)} ${BigInt(payment.amount_msat) / 1000n}`;
  return [payment.id, title, stateOf(payment).text, amounts, details.hash, details.txid, details.payer_note].filter(Boolean).join(' ').toLowerCase();
}

function drawRows(state, { rows, count, below, more }) {
  if (!state.first) return;
  const all = loaded(state);
  const matching = all.filter(state.filter[2]).filter((payment) => textOf(payment).includes(state.search));
  rows.replaceChildren(...matching.map(paymentRow));
  count.textContent = plural(matching.length, 'payment');
  below.replaceChildren(...[matching.length === 0 && nothing(all), state.next && more].filter(Boolean));
}

function nothing(all) {
  return all.length === 0
    ? empty('No payments yet', 'What you are paid and what you pay shows up here by itself.')
    : empty('Nothing found', 'Choose another filter, or search for something else.');
}

async function loadOlder(state, button, draw) {
  button.disabled = true;
  try {
    const page = await call('ListPayments', { page_size: 100, page_token: state.next });
    state.older.push(...page.payments);
    state.next = page.next_page_token;
    draw();
  } catch (error) {
    button.after(problem(error));
  } finally {
    button.disabled = false;
  }
}
