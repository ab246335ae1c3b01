// What transactions cost, before they are made.

import { call, may } from './api.js';
import { h } from './dom.js';
import { amount, sats } from './format.js';

const UNKNOWN_HINT = 'The network sets it when the transaction is made: about 200 sat on a quiet day, 10,000 sat and more on a busy one.';
const ESTIMATE_HINT = 'The fee is an estimate. It grows with the number of coins that are spent, and with what the network asks for when the transaction is made.';
const FALLBACK_HINT = 'The network gives no estimate now, so the fee is computed at the lowest rate that the node uses.';

// A dialog does not wait longer than this for estimates.
const PATIENCE_MS = 5_000;

// The estimates; without them, `null`: words have to do.
export async function estimates() {
  if (!may('EstimateOnchainFees')) return null;
  const late = new Promise((resolve) => { setTimeout(resolve, PATIENCE_MS, null); });
  return Promise.race([call('EstimateOnchainFees').catch(() => null), late]);
}

// The row of a list that shows a fee. `how` says who pays it.
export function feeRow(fee, how) {
  return ['Fee of the transaction', fee ? [...shown(fee), ', ', how] : how];
}

function shown({ fee_sats: fee, max_fee_sats: most }) {
  if (most === undefined) return ['about ', amount(sats(fee))];
  return ['between ', amount(sats(fee)), ' and ', amount(sats(most))];
}

export function feeHint(known, fee) {
  if (!fee) return h('p', { class: 'hint' }, UNKNOWN_HINT);
  const rate = known.fee_rates.find(({ target_blocks: target }) => target === fee.target_blocks);
  return h('p', { class: 'hint' }, rate?.is_fallback ? FALLBACK_HINT : ESTIMATE_HINT);
}
