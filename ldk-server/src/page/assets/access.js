// Runes: the one that this page is signed in with, and those that the node has given out.

import { call, may, signedInWith } from './api.js';
import { code, copyButton, empty, foreign, h, list, loading, problem, toast } from './dom.js';
import { choice, dialog, field, form, amountField } from './forms.js';
import { ago, plural, time } from './format.js';
import { qr } from './qr.js';
import { expiry, inWords, parse } from './rune.js';

const HOUR = 3600;
const PRESETS = [
  ['read', 'Look, change nothing'],
  ['invoice', 'Also make invoices: a shop'],
  ['pay', 'Also pay over Lightning'],
  ['admin', 'Everything'],
];
const TIMES = [[HOUR, 'an hour'], [24 * HOUR, 'a day'], [30 * 24 * HOUR, 'thirty days'], [365 * 24 * HOUR, 'a year'], [0, 'for ever']];
const WINDOWS = [['day', 'in any 24 hours'], ['week', 'in any 7 days'], ['month', 'in any 30 days'], ['total', 'in all']];

export function show(root) {
  root.append(h('h1', {}, 'Access'), h('p', { class: 'lead muted' }, 'A rune is a key that opens only some doors. Give each person and each program its own.'), own());
  const runes = may('ListRunes') && h('section', { class: 'card stack' }, h('h2', {}, 'Runes given out'), h('div', {}, loading(4)));
  const reload = () => runes && load(runes.lastChild);
  if (may('CreateRune')) root.append(makeForm(reload));
  if (runes) root.append(runes);
  reload();
}

function own() {
  const rune = signedInWith();
  const until = expiry(rune);
  const words = rune.restrictions.map((one) => h('li', {}, foreign(inWords(one))));
  return h('section', { class: 'card stack' }, h('h2', {}, 'Your own'),
    list([['Number', rune.id ?? 'none'], ['Good until', until === null ? 'it is revoked' : [time(until), ` (${ago(until)})`]]]),
    words.length === 0 ? h('p', {}, 'It allows everything.') : h('ul', { class: 'reasons' }, words));
}

function makeForm(reload) {
  if (signedInWith().restrictions.length > 0) {
    return h('section', { class: 'card stack' }, h('h2', {}, 'Give a rune out'), h('p', { class: 'muted' }, 'Only a rune without any restriction can give others out: the one that you are signed in with is restricted, if only in time.'));
  }
  const preset = choice('What it allows', PRESETS);
  const label = field('Who or what it is for', { maxlength: 128, autocomplete: 'off', hint: 'Such as “till” or “accountant”.' });
  const expires = choice('Good for', TIMES);
  const budget = amountField('May spend at most', { optional: true, hint: 'Leave it empty for no limit.' });
  budget.input.placeholder = 'no limit';
  const window = choice('', WINDOWS);
  window.root.querySelector('label').textContent = 'Time of the limit';
  const limits = h('div', { class: 'columns' }, budget.root, window.root);
  const spends = () => ['pay', 'admin'].includes(preset.input.value);
  const toggle = () => { limits.hidden = !spends(); };
  preset.input.addEventListener('change', toggle);
  const make = form([preset.root, label.root, expires.root, limits], 'Make rune', async () => {
    const most = spends() ? budget.read() : undefined;
    if (most === null) return;
    const request = { preset: preset.input.value, label: label.input.value.trim(), expires_in_secs: Number(expires.input.value) };
    if (most !== undefined) request.restrictions = [`budget=${most / 1000n}sat/${window.input.value}`];
    if (preset.input.value === 'admin' && !(await confirmAdmin())) return;
    const made = await call('CreateRune', request);
    make.root.reset();
    toggle();
    reload();
    await showRune(made.rune);
  });
  toggle();
  return h('section', { class: 'card stack' }, h('h2', {}, 'Give a rune out'), make.root);
}

function confirmAdmin() {
  return dialog({ title: 'A rune for everything?', confirm: 'Make it', danger: true, content: h('p', {}, 'Whoever has it can spend all the money of this node, close its channels and give out more runes.'), action: async () => true });
}

function showRune(rune) {
  const link = `${location.origin}/#rune=${encodeURIComponent(rune)}`;
  return dialog({ title: 'The new rune', content: [
    h('p', {}, 'It is shown only now. Whoever has it can use it.'),
    h('p', { class: 'long' }, code(rune)), h('div', { class: 'actions' }, copyButton(rune, 'the rune')),
    h('p', { class: 'muted' }, 'Or scan this, to open this page with it on a phone:'), qr(link, 'QR code with a link to this page that has the rune in it'), copyButton(link, 'the link to this page'),
  ] });
}

async function load(body) {
  try {
    const { runes, has_more: hasMore } = await call('ListRunes', { limit: 1000 });
    const rows = runes.toReversed().map((rune) => row(rune, () => load(body)));
    body.replaceChildren(rows.length === 0 ? empty('None yet', 'Those you make show up here.') : h('ul', { class: 'rows' }, rows), hasMore ? h('p', { class: 'muted' }, 'Only the first 1,000 are shown.') : '');
  } catch (error) {
    body.replaceChildren(problem(error));
  }
}

function row(rune, reload) {
  const until = expiry({ restrictions: rune.restrictions.map(parse) });
  const isOver = until !== null && until * 1000 < Date.now();
  const [text, tone] = rune.revoked_at !== undefined ? ['Revoked', 'off'] : isOver ? ['Expired', 'off'] : ['Good', 'good'];
  const words = rune.restrictions.map((one) => inWords(parse(one)));
  return h('li', { class: 'row rune' },
    h('div', { class: 'what' },
      h('span', {}, `No. ${rune.id} `, rune.label && foreign(rune.label)),
      h('span', { class: 'muted' }, words.length === 0 ? 'Allows everything' : foreign(words.join('; '))),
      h('span', { class: 'muted' }, `Used ${plural(Number(rune.uses), 'time')}${rune.last_used_at === undefined ? '' : `, last ${ago(rune.last_used_at)}`}`)),
    h('span', { class: `state ${tone}` }, text),
    tone === 'good' && may('RevokeRune') && h('button', { type: 'button', class: 'small', 'aria-label': `Revoke rune ${rune.id}`, onclick: () => revoke(rune, reload) }, 'Revoke'));
}

async function revoke(rune, reload) {
  const isOwn = String(rune.id) === signedInWith().id;
  const isDone = await dialog({
    title: `Revoke rune no. ${rune.id}?`,
    confirm: 'Revoke it',
    danger: true,
    content: [rune.label && h('p', {}, foreign(rune.label)), h('p', { class: 'muted' }, isOwn
      ? 'It is the one that you are signed in with: you will be signed out.'
      : 'Whoever uses it, or a rune that was made of it, is locked out at once. This cannot be taken back.')],
    action: async () => { await call('RevokeRune', { first_id: rune.id }); },
  });
  if (isDone) toast('Revoked.');
  reload();
}
