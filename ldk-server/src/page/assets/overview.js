// The first part: who the node is, how it is, and how much money it has.

import { may } from './api.js';
import { code, copyButton, empty, foreign, h, list, loading, problem } from './dom.js';
import { dialog } from './forms.js';
import { ago, amount, amountText, integer, number, sats } from './format.js';
import { qr } from './qr.js';
import { watch } from './store.js';
import { NETWORKS, sharesOf } from './words.js';
import { channelBar } from './channel-bar.js';
import { paymentRow } from './payment-row.js';

const RECENT = 5;

export function show(root) {
  const parts = [
    may('GetBalances') && section('Money', 'balances', money, 3),
    section('Health', 'health', healthOf, 2),
    may('GetNodeInfo') && section('This node', 'info', identity, 5),
    may('ListChannels') && section('Channels', 'channels', channels, 4, 'wide'),
    may('ListPayments') && section('Latest payments', 'payments', latest, 5, 'wide'),
  ].filter(Boolean);
  root.append(h('h1', {}, 'Overview'), h('div', { class: 'grid' }, parts.map(({ element }) => element)));
  const ended = parts.map((part) => part.begin());
  return () => ended.forEach((end) => end());
}

function section(title, source, render, lines, className = '') {
  const body = h('div', { class: 'stack' }, loading(lines));
  const element = h('section', { class: `card stack ${className} of-${source}` }, h('h2', {}, title), body);
  const draw = (value, error) => body.replaceChildren(...[value !== undefined && render(value), error && problem(error)].filter(Boolean).flat());
  return { element, begin: () => watch(source, draw) };
}

function money(balances) {
  const [onchain, spendable, reserve, channel] = ['total_onchain_balance_sats', 'spendable_onchain_balance_sats', 'total_anchor_channels_reserve_sats', 'total_lightning_balance_sats'].map((name) => sats(balances[name]));
  const coming = comingBack(balances);
  return [
    h('p', { class: 'total' }, amount(onchain + channel)),
    list([
      ['In channels', amount(channel)],
      ['On chain', amount(onchain)],
      ['of it ready to spend', amount(spendable)],
      ['of it kept to close channels', amount(reserve)],
      coming > 0n && ['On its way from closed channels', amount(coming)],
    ]),
  ];
}

function comingBack(balances) {
  const parts = (balances.pending_balances_from_channel_closures ?? []).flatMap((one) => Object.values(one));
  return parts.reduce((sum, part) => sum + sats(part.amount_satoshis), 0n);
}

function healthOf({ isReady, reasons }) {
  const state = h('p', { class: `state ${isReady ? 'good' : 'bad'}` }, isReady ? 'Everything is in order' : 'Not ready');
  const texts = reasons.map((reason) => h('li', {}, reason));
  return [state, texts.length > 0
    ? h('ul', { class: 'reasons' }, texts)
    : h('p', { class: 'muted' }, 'The node follows the chain, its disk has room, and its state is saved.')];
}

function identity(info) {
  const uri = info.node_uris?.[0] ?? info.node_id;
  const synced = Math.min(...['latest_lightning_wallet_sync_timestamp', 'latest_onchain_wallet_sync_timestamp'].map((name) => Number(info[name] ?? 0)));
  const showCode = () => dialog({
    title: 'This node',
    content: [h('p', { class: 'muted' }, 'Who scans this can connect to the node, and open a channel to it.'), qr(uri, 'QR code with the address of this node'), h('p', {}, code(uri)), copyButton(uri, 'the address of this node')],
  });
  return [
    list([
      ['Name', info.node_alias ? foreign(info.node_alias) : h('span', { class: 'muted' }, 'none is set')],
      ['Network', NETWORKS[info.network] ?? info.network],
      ['Block', number(info.current_best_block?.height ?? 0)],
      ['Looked at the chain', synced > 0 ? ago(synced) : 'not yet'],
      ['Node id', code(info.node_id, { short: true })],
    ]),
    h('div', { class: 'actions' }, copyButton(info.node_id, 'the node id'), h('button', { type: 'button', class: 'small', onclick: showCode }, 'Show QR code')),
  ];
}

function channels(all) {
  if (all.length === 0) {
    return [empty('No channels yet', 'To pay and be paid over Lightning, the node needs a channel to another one.', may('OpenChannel') && h('a', { class: 'button', href: '#channels' }, 'Open a channel'))];
  }
  const usable = all.filter((channel) => channel.is_usable).map(sharesOf);
  const sum = (side) => usable.reduce((total, shares) => total + integer(shares[side]), 0n);
  return [
    h('p', { class: 'muted' }, `You can send ${amountText(sum('local'))} and receive ${amountText(sum('remote'))} right now.`),
    h('div', { class: 'bars' }, all.map((channel) => channelBar(channel))),
  ];
}

function latest({ payments }) {
  if (payments.length === 0) return [empty('No payments yet', 'What you are paid and what you pay shows up here by itself.', may('Bolt11Receive') && h('a', { class: 'button', href: '#receive' }, 'Make an invoice'))];
  return [h('ul', { class: 'rows' }, payments.slice(0, RECENT).map(paymentRow)), h('a', { href: '#payments' }, 'All payments')];
}
