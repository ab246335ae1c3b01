// What the states of payments and channels mean, for somebody who runs a shop.

import { current } from './store.js';
import { integer } from './format.js';

const KINDS = {
  onchain: 'On-chain transaction',
  bolt11: 'Invoice',
  bolt11_jit: 'Invoice with a new channel',
  bolt12_offer: 'Offer',
  bolt12_refund: 'Refund',
  spontaneous: 'Payment without invoice',
};
const CONFIRMATIONS = 6;

export function kindOf(payment) {
  const [name, details] = Object.entries(payment.kind ?? {})[0] ?? ['', {}];
  return { name, details, title: KINDS[name] ?? 'Payment' };
}

export function isInbound(payment) {
  return payment.direction === 'INBOUND';
}

// { text, tone, hint }: `tone` is good, bad, wait or off.
export function stateOf(payment) {
  if (payment.outcome_unknown && payment.status === 'PENDING') {
    return { text: 'Outcome unknown', tone: 'bad', hint: 'It cannot be told whether this arrived. Ask the payee before you pay again.' };
  }
  if (kindOf(payment).name === 'onchain') return onchainState(payment);
  return isInbound(payment) ? inboundState(payment) : outboundState(payment);
}

function onchainState(payment) {
  const { confirmed } = kindOf(payment).details.status ?? {};
  if (payment.status === 'SUCCEEDED') return { text: 'Confirmed', tone: 'good', hint: 'Six blocks or more are on top of it: it is final.' };
  if (payment.status === 'FAILED') return { text: 'Failed', tone: 'off', hint: 'The network did not take this transaction. No money moved.' };
  if (!confirmed) return { text: 'In no block yet', tone: 'wait', hint: 'A block comes about every ten minutes.' };
  const height = current('info')?.current_best_block?.height ?? confirmed.height;
  const count = Math.max(1, Math.min(height - confirmed.height + 1, CONFIRMATIONS));
  return { text: `${count} of ${CONFIRMATIONS} confirmations`, tone: 'wait', hint: 'It is in a block, and final after six.' };
}

function inboundState(payment) {
  if (payment.status === 'SUCCEEDED') return { text: 'Received', tone: 'good', hint: 'The money is yours.' };
  if (payment.status === 'FAILED') return { text: 'Not received', tone: 'off', hint: 'The invoice expired unpaid, or the payment was sent back.' };
  if (payment.expired) return { text: 'Expired', tone: 'off', hint: 'Nobody paid this invoice in time.' };
  return { text: 'Waiting', tone: 'wait', hint: 'The invoice is open: nobody has paid it yet.' };
}

function outboundState(payment) {
  if (payment.status === 'SUCCEEDED') return { text: 'Paid', tone: 'good', hint: 'The payee has the money.' };
  if (payment.status === 'FAILED') return { text: 'Failed', tone: 'off', hint: 'Nothing was paid. You may try again.' };
  return { text: 'On its way', tone: 'wait', hint: 'It is not decided yet. Do not pay again.' };
}

// { text, tone, hint } of a channel.
export function channelState(channel) {
  if (channel.is_usable) return { text: 'Ready', tone: 'good', hint: 'Payments can use this channel.' };
  if (channel.is_channel_ready) {
    return { text: 'Peer offline', tone: 'bad', hint: 'The other node is not connected. Payments can use this channel when it is back.' };
  }
  const [have, need] = [channel.confirmations ?? 0, channel.confirmations_required];
  if (need !== undefined && have < need) {
    return { text: `Opening, ${have} of ${need} blocks`, tone: 'wait', hint: 'The chain has to confirm it first. A block comes about every ten minutes.' };
  }
  return { text: need === undefined ? 'Opening' : 'Not ready', tone: 'wait', hint: 'The two nodes are still agreeing on it, or it is being closed.' };
}

// What each side has of a channel, in millisatoshis. The rest is the reserve of both, and payments on their way.
export function sharesOf(channel) {
  const [local, remote, whole] = [integer(channel.outbound_capacity_msat), integer(channel.inbound_capacity_msat), integer(channel.channel_value_sats) * 1000n];
  return { local, remote, whole };
}

export const NETWORKS = { BITCOIN: 'Bitcoin', TESTNET: 'Testnet', TESTNET4: 'Testnet 4', SIGNET: 'Signet', REGTEST: 'Regtest' };
