// A payment in a list, and all that is known of it in a dialog.

import { code, copyButton, foreign, h, list } from './dom.js';
import { dialog } from './forms.js';
import { amount, integer, time } from './format.js';
import { isInbound, kindOf, stateOf } from './words.js';

export function paymentRow(payment) {
  const [kind, state] = [kindOf(payment), stateOf(payment)];
  const sign = payment.status === 'FAILED' ? '' : isInbound(payment) ? '+' : '−';
  const note = kind.details.payer_note;
  return h('li', {}, h('button', { type: 'button', class: 'payment', onclick: () => showPayment(payment) },
    h('span', { class: `direction ${isInbound(payment) ? 'in' : 'out'} ${state.tone}`, 'aria-hidden': 'true' }, isInbound(payment) ? '↓' : '↑'),
    h('span', { class: 'what' }, h('span', {}, `${kind.title}${isInbound(payment) ? '' : ', sent'}`), note ? h('span', { class: 'muted note' }, foreign(note)) : null,
      h('span', { class: 'muted' }, time(payment.created_at), ' · ', code(payment.id.slice(0, 8)))),
    h('span', { class: 'how-much' }, payment.amount_msat === undefined ? h('span', { class: 'muted' }, 'any amount') : amount(payment.amount_msat, { sign, className: state.tone }),
      h('span', { class: `state ${state.tone}` }, state.text))));
}

function showPayment(payment) {
  const [kind, state] = [kindOf(payment), stateOf(payment)];
  const { details } = kind;
  const longer = (label, value) => value && [label, code(value), ' ', copyButton(value, label.toLowerCase())];
  dialog({
    title: isInbound(payment) ? 'Incoming payment' : 'Outgoing payment',
    content: [
      h('p', { class: `state ${state.tone}` }, state.text),
      h('p', { class: 'muted' }, state.hint),
      list([
        ['Amount', payment.amount_msat === undefined ? 'left to the payer' : amount(payment.amount_msat)],
        integer(payment.fee_paid_msat) > 0n && ['Fee', amount(payment.fee_paid_msat)],
        ['Kind', kind.title],
        details.payer_note && ['Note of the payer', foreign(details.payer_note)],
        ['Made', time(payment.created_at)],
        ['Last change', time(payment.latest_update_timestamp)],
        longer('Transaction', details.txid),
        longer('Payment hash', details.hash),
        longer('Proof of payment', details.preimage),
        details.hash !== payment.id && longer('Id', payment.id),
      ]),
    ],
  });
}
