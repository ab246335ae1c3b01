// Channels: opening, closing, and moving money in and out. What it costs is shown before.

import { call, may } from './api.js';
import { code, empty, h, list, loading, problem, toast } from './dom.js';
import { amountField, choice, dialog, field, form, wire } from './forms.js';
import { estimates, feeHint, feeRow } from './fees.js';
import { amount, amountText, sats } from './format.js';
import { current, refresh, watch } from './store.js';
import { channelBar } from './channel-bar.js';
import { sharesOf } from './words.js';

// What the node keeps on chain for each channel, unless it is configured otherwise.
const RESERVE_MSAT = 25_000_000n;

export function show(root) {
  const body = h('div', { class: 'stack' }, loading(5));
  root.append(h('h1', {}, 'Channels'), h('section', { class: 'card stack', 'aria-label': 'Channels' }, body));
  if (may('OpenChannel')) root.append(openForm());
  return watch('channels', (channels, error) => {
    if (error) body.replaceChildren(problem(error));
    else body.replaceChildren(...rows(channels));
  });
}

function rows(channels) {
  if (channels.length === 0) return [empty('No channels yet', 'A channel is money shared with another node, over which payments go in both directions.')];
  return [h('div', { class: 'bars' }, channels.map((channel) => channelBar(channel, actions(channel))))];
}

function actions(channel) {
  const button = (method, text, onclick, className = 'small') => may(method) && h('button', { type: 'button', class: className, onclick }, text);
  const buttons = [
    channel.is_usable && button('SpliceIn', 'Add money', () => spliceIn(channel)),
    channel.is_usable && button('SpliceOut', 'Take money out', () => spliceOut(channel)),
    button('CloseChannel', 'Close', () => close(channel)),
    h('button', { type: 'button', class: 'small quiet', onclick: () => details(channel) }, 'Details'),
  ].filter(Boolean);
  return h('div', { class: 'actions' }, buttons);
}

function names(channel) {
  return { user_channel_id: channel.user_channel_id, counterparty_node_id: channel.counterparty_node_id };
}

function details(channel) {
  const { whole } = sharesOf(channel);
  const point = channel.funding_txo && `${channel.funding_txo.txid}:${channel.funding_txo.vout}`;
  return dialog({ title: 'Channel', content: list([
    ['With', code(channel.counterparty_node_id)],
    ['Size', amount(whole)],
    ['Opened by', channel.is_outbound ? 'you' : 'the other node'],
    ['Known to the network', channel.is_announced ? 'yes, others can pay through it' : 'no, only the two nodes know of it'],
    ['Your reserve in it', amount(sats(channel.unspendable_punishment_reserve))],
    ['Fee for others', `${amountText(channel.channel_config?.forwarding_fee_base_msat ?? 0)} and ${channel.channel_config?.forwarding_fee_proportional_millionths ?? 0} millionths`],
    point && ['Output', code(point)],
    ['Id for calls', code(channel.user_channel_id)],
  ]) });
}

function openForm() {
  const peer = field('Node', { hint: 'Its id and address, as in 02ab…@203.0.113.7:9735', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' });
  const sum = amountField('How much to put in', { hint: 'At least 1,000 sat. It stays yours, and you can pay it out to others.' });
  const visible = choice('Who may know of it', [['no', 'Only the two nodes'], ['yes', 'The whole network, so that others can pay through it']]);
  const open = form([peer.root, sum.root, visible.root], 'Show what it costs', async () => {
    const [node, msat] = [splitAddress(peer.input.value), sum.read()];
    if (!node) return peer.fail('Write the id, an @, and the address of the node.');
    if (msat === null) return undefined;
    const isDone = await confirmOpen(node, msat, visible.input.value === 'yes');
    if (isDone) open.root.reset();
    return undefined;
  });
  return h('section', { class: 'card stack' }, h('h2', {}, 'Open a channel'), open.root);
}

export function splitAddress(text) {
  const match = /^\s*([0-9a-fA-F]{66})@(\S+)\s*$/.exec(text);
  return match && { id: match[1].toLowerCase(), address: match[2] };
}

async function confirmOpen(node, msat, isPublic) {
  const [known] = await Promise.all([estimates(), refresh('balances')]);
  const isDone = await dialog({
    title: 'Open this channel?',
    confirm: `Open with ${amountText(msat)}`,
    content: [cost([['With', code(node.id)], ['Into the channel', amount(msat)]], msat + RESERVE_MSAT, known),
      h('p', { class: 'muted' }, 'The money is locked until the channel is closed. You can receive over it what you have paid out of it before.')],
    action: () => sure(() => call('OpenChannel', { node_pubkey: node.id, address: node.address, channel_amount_sats: wire(msat / 1000n), announce_channel: isPublic })),
  });
  if (isDone) toast('The other node has been asked. The channel shows up above.');
  refresh('channels', 'balances');
  return isDone;
}

// What is paid, and what it is paid from.
function cost(pairs, needed, known) {
  const fee = known?.open_channel;
  const balances = current('balances');
  const spendable = balances && sats(balances.spendable_onchain_balance_sats);
  return [
    list([...pairs,
      ['Kept on chain, to be able to close it', amount(RESERVE_MSAT)],
      feeRow(fee, 'on top'),
      spendable !== undefined && ['You can spend on chain', amount(spendable)]]),
    feeHint(known, fee),
    spendable !== undefined && spendable < needed + sats(fee?.fee_sats) && h('p', { class: 'problem' }, 'This may be more than you have on chain.'),
  ];
}

// If the answer does not come, the call may have been carried out all the same.
async function sure(task) {
  try {
    await task();
    return true;
  } catch (error) {
    if (!error.isOpen) throw error;
    throw new Error(`${error.message} It is not known whether it has begun: look at your channels before you try again.`);
  }
}

async function spliceIn(channel) {
  const [known] = await Promise.all([estimates(), refresh('balances')]);
  const sum = amountField('How much to add', { hint: 'From what you have on chain.' });
  const spendable = sats(current('balances')?.spendable_onchain_balance_sats);
  const isDone = await dialog({
    title: 'Add money to the channel',
    confirm: 'Add it',
    content: [sum.root, list([['You can spend on chain', amount(spendable)], feeRow(known?.splice_in, 'on top')]), feeHint(known, known?.splice_in)],
    action: () => withAmount(sum, (msat) => call('SpliceIn', { ...names(channel), splice_amount_sats: wire(msat / 1000n) })),
  });
  if (isDone) toast('The other node has been asked. Until the chain has confirmed it, the channel can be used as before.');
  refresh('channels', 'balances');
}

async function spliceOut(channel) {
  const { local } = sharesOf(channel);
  const known = await estimates();
  const sum = amountField('How much to take out', { hint: 'It goes to your own wallet on chain.' });
  const isDone = await dialog({
    title: 'Take money out of the channel',
    confirm: 'Take it out',
    content: [sum.root, list([['You can send over it', amount(local)], feeRow(known?.splice_out, 'paid from the channel, on top')]), feeHint(known, known?.splice_out)],
    action: () => withAmount(sum, (msat) => call('SpliceOut', { ...names(channel), splice_amount_sats: wire(msat / 1000n) })),
  });
  if (isDone) toast('The other node has been asked. The money arrives on chain with the next blocks.');
  refresh('channels', 'balances');
}

function withAmount(sum, task) {
  const msat = sum.read();
  return msat === null ? false : sure(() => task(msat));
}

async function close(channel) {
  const { local } = sharesOf(channel);
  const known = await estimates();
  const force = may('ForceCloseChannel') && h('input', { type: 'checkbox', id: 'force-close' });
  const delay = channel.force_close_spend_delay;
  const isDone = await dialog({
    title: 'Close this channel?',
    confirm: 'Close the channel',
    danger: true,
    content: [
      list([['With', code(channel.counterparty_node_id)], ['You get on chain', ['about ', amount(local + sats(channel.unspendable_punishment_reserve))]],
        feeRow(known?.close_channel, channel.is_outbound ? 'taken from it, because you opened the channel' : 'paid by the other node, which opened the channel')]),
      feeHint(known, known?.close_channel),
      h('p', { class: 'muted' }, 'You cannot pay or be paid over it any more. The money arrives on chain with the next blocks.'),
      force && h('details', {}, h('summary', {}, 'The other node does not answer'),
        h('label', { class: 'check' }, force, ' Force-close it'),
        h('p', { class: 'muted' }, `Only if it stays away. It costs more, and your money is locked for ${delay ?? 'some hundred'} blocks${delay ? `, about ${Math.max(1, Math.round(delay / 144))} days` : ''}.`)),
    ],
    action: () => sure(() => call(force && force.checked ? 'ForceCloseChannel' : 'CloseChannel', names(channel))),
  });
  if (isDone) toast('The channel is being closed.');
  refresh('channels', 'balances');
}
