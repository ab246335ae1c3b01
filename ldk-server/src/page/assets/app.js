// Signing in and out, and which part of the page is shown.

import { may, remembered, signIn, signOut } from './api.js';
import { foreign, h, icon } from './dom.js';
import { currentUnit, switchUnit } from './format.js';
import * as store from './store.js';
import { NETWORKS } from './words.js';
import * as access from './access.js';
import * as backups from './backups.js';
import * as calls from './calls.js';
import * as channels from './channels.js';
import * as overview from './overview.js';
import * as pay from './pay.js';
import * as payments from './payments.js';
import * as peers from './peers.js';
import * as receive from './receive.js';

// `needs`: of these calls the rune must allow one, or the part is not offered. Those after `more` are in a
// menu on a narrow screen.
const PARTS = [
  { id: 'overview', title: 'Overview', needs: ['GetNodeInfo', 'GetBalances', 'ListChannels'], view: overview },
  { id: 'receive', title: 'Receive', needs: ['Bolt11Receive', 'Bolt12Receive', 'OnchainReceive'], view: receive },
  { id: 'pay', title: 'Pay', needs: ['Bolt11Send', 'Bolt12Send', 'OnchainSend'], view: pay },
  { id: 'payments', title: 'Payments', needs: ['ListPayments'], view: payments },
  { id: 'channels', title: 'Channels', needs: ['ListChannels'], view: channels, more: true },
  { id: 'peers', title: 'Peers', needs: ['ListPeers'], view: peers, more: true },
  { id: 'access', title: 'Access', needs: ['CheckRune', 'ListRunes'], view: access, more: true },
  { id: 'backups', title: 'Backups', needs: ['CreateBackup'], view: backups, more: true },
  { id: 'calls', title: 'All calls', needs: ['GetNodeInfo', 'CheckRune'], view: calls, more: true, icon: 'calls' },
];
const LIVE = {
  live: ['Live', 'This page follows the node: what happens shows up at once.'],
  waiting: ['Reconnecting', 'The connection to the node was lost. It is tried again.'],
  asking: ['Every few seconds', 'Your rune does not allow to follow events, so this page asks again every few seconds.'],
};

const byId = (id) => document.getElementById(id);
let leaveView = () => {};
let stopName = () => {};

// A rune in the address is taken out of it before anything else: it is a secret.
function runeOfAddress() {
  const match = /^#rune=(.+)$/.exec(location.hash);
  if (!match) return null;
  history.replaceState(null, '', location.pathname);
  return safelyDecoded(match[1]);
}

function safelyDecoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function start() {
  const given = runeOfAddress();
  byId('sign-in-form').addEventListener('submit', (event) => {
    event.preventDefault();
    enter(byId('rune').value.trim(), byId('remember').checked);
  });
  byId('sign-out').addEventListener('click', () => leave(null));
  byId('unit').addEventListener('click', () => {
    switchUnit();
    showUnit();
    route();
  });
  addEventListener('hashchange', onHash);
  const rune = given ?? remembered();
  if (rune) await enter(rune, given === null);
}

// A link with a rune may also be followed in a tab that shows the page already.
function onHash() {
  const given = runeOfAddress();
  if (given) {
    leave(null);
    enter(given, false);
  } else route();
}

async function enter(rune, remember) {
  const [error, button] = [byId('sign-in-error'), byId('sign-in-form').querySelector('button')];
  error.hidden = true;
  button.disabled = true;
  try {
    await signIn(rune, { remember, signedOut: leave });
    byId('rune').value = '';
    show();
  } catch (refused) {
    error.textContent = refused.message;
    error.hidden = false;
    byId('rune').focus();
  } finally {
    button.disabled = false;
  }
}

function show() {
  byId('signed-out').hidden = true;
  byId('signed-in').hidden = false;
  showNavigation();
  showUnit();
  store.begin(showLive);
  watchName();
  route();
}

function leave(message) {
  leaveView();
  leaveView = () => {};
  stopName();
  store.end();
  signOut();
  byId('main').replaceChildren();
  byId('signed-in').hidden = true;
  byId('signed-out').hidden = false;
  document.title = 'Lightning node';
  byId('sign-in-error').hidden = !message;
  byId('sign-in-error').textContent = message ?? '';
  byId('rune').focus();
}

function watchName() {
  stopName = store.watch('info', (info) => {
    if (!info) return;
    byId('top-alias').replaceChildren(info.node_alias ? foreign(info.node_alias) : 'Lightning node');
    byId('top-network').textContent = NETWORKS[info.network] ?? info.network;
    byId('top-network').hidden = false;
  });
}

function showLive(state) {
  const [text, title] = LIVE[state];
  const live = byId('top-live');
  live.className = `live ${state}`;
  live.title = title;
  if (live.textContent !== text) live.textContent = text;
}

function showUnit() {
  byId('unit').textContent = currentUnit();
  byId('unit').setAttribute('aria-label', `Amounts in ${currentUnit()}; switch the unit`);
}

export function offered() {
  return PARTS.filter(({ needs }) => needs.some(may));
}

function showNavigation() {
  const links = offered().map((part) => h('a', { href: `#${part.id}`, class: part.more ? 'is-more' : undefined }, icon(part.id), h('span', {}, part.title)));
  const more = h('a', { href: '#more', class: 'menu' }, icon('more'), h('span', {}, 'More'));
  byId('nav').replaceChildren(...links, more);
}

function showMore(root) {
  const links = offered().filter(({ more }) => more);
  root.append(h('h1', {}, 'More'), h('nav', { class: 'card links', 'aria-label': 'More parts' },
    links.map(({ id, title }) => h('a', { href: `#${id}` }, icon(id), h('span', {}, title)))));
}

let shown = null;

// Shows the part that the address names, or the first.
function route() {
  if (byId('signed-in').hidden) return;
  const [wanted, ...rest] = location.hash.slice(1).split('/');
  const part = wanted === 'more' ? { id: 'more', title: 'More' } : offered().find(({ id }) => id === wanted) ?? offered()[0];
  const main = byId('main');
  leaveView();
  const root = h('div', { class: 'view' });
  main.replaceChildren(root);
  const ended = part?.view ? part.view.show(root, rest) : part && showMore(root);
  leaveView = ended ?? (() => {});
  if (!part) root.append(h('p', { class: 'problem' }, 'Your rune is good, but allows nothing that this page shows.'));
  mark(part);
}

function mark(part) {
  document.title = part ? `${part.title} – Lightning node` : 'Lightning node';
  for (const link of byId('nav').children) {
    const isHere = link.getAttribute('href') === `#${part?.id}`;
    if (isHere) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
    link.classList.toggle('is-parent', link.classList.contains('menu') && Boolean(part?.more));
  }
  if (shown !== null && shown !== part?.id) {
    byId('main').focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  shown = part?.id;
}

start();
