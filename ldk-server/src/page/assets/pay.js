// Paying an invoice, an offer, an address or an LNURL: it is read first, and paid after a confirmation.

import { call, may } from './api.js';
import { code, foreign, h, list } from './dom.js';
import { amountField, dialog, field, form, wire } from './forms.js';
import { estimates, feeHint, feeRow } from './fees.js';
import { amount, amountText, integer, time } from './format.js';
import { isLnurl, readLnurl, successShown } from './lnurl.js';
import { refresh, watch, watchEvents } from './store.js';
import { stateOf } from './words.js';

// The fee limit of the node, unless it is configured otherwise: 1 % and 50 sat.
const FEE_SHARE = 100n;
const FEE_BASE_MSAT = 50_000n;

export function show(root) {
  const text = field('Invoice, offer or address', { element: h('textarea', { rows: 4, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' }), hint: 'Paste what you were given; a Lightning address or an LNURL will do, too. Nothing is paid before you have confirmed it.' });
  const outcome = h('div', {});
  let ended = () => {};
  const look = form([text.root], 'Look at it', async () => {
    const wanted = bare(text.input.value);
    if (wanted === '') return text.fail('Paste an invoice, an offer or an address.');
    const bill = await read(wanted);
    const begun = await confirm(bill);
    if (!begun) return undefined;
    ended();
    text.input.value = '';
    ended = showOutcome(outcome, begun);
    return undefined;
  });
  root.append(h('h1', {}, 'Pay'), h('section', { class: 'card stack' }, look.root), outcome);
  return () => ended();
}

function bare(text) {
  return text.trim().replace(/^["'<]+|[>"']+$/g, '').replace(/^lightning:/i, '').trim();
}

// What is to be paid, or withdrawn: { msat, payee or payer, description, rows, fields, send(amounts) … }.
async function read(text) {
  const lower = text.toLowerCase();
  if (lower.startsWith('lno1')) return readOffer(text);
  if (isLnurl(text)) return readLnurl(text);
  if (/^ln(bc|tb|sb)/.test(lower)) return readInvoice(text);
  return readOther(text);
}

async function readInvoice(invoice) {
  must('Bolt11Send', 'Your rune does not allow to pay invoices.');
  const decoded = await call('DecodeInvoice', { invoice });
  if (decoded.is_expired) throw new Error('This invoice has expired. Ask for a new one.');
  return {
    msat: decoded.amount_msat === undefined ? undefined : integer(decoded.amount_msat),
    payee: code(decoded.destination),
    description: decoded.description,
    rows: [['Can be paid until', time(Number(decoded.timestamp) + Number(decoded.expiry))]],
    fee: true,
    send: (amounts) => call('Bolt11Send', { invoice, ...amounts }),
  };
}

async function readOffer(offer) {
  must('Bolt12Send', 'Your rune does not allow to pay offers.');
  const decoded = await call('DecodeOffer', { offer });
  if (decoded.is_expired) throw new Error('This offer has expired. Ask for a new one.');
  if (decoded.amount?.currency_amount) throw new Error('This offer asks for another currency than bitcoin, which the node cannot pay.');
  const msat = decoded.amount?.bitcoin_amount_msats;
  const counts = decoded.quantity && !decoded.quantity.one;
  return {
    msat: msat === undefined ? undefined : integer(msat),
    payee: decoded.issuer ? foreign(decoded.issuer) : decoded.issuer_signing_pubkey ? code(decoded.issuer_signing_pubkey) : 'does not say who it is',
    description: decoded.description,
    rows: [counts && ['Number of items', '1'], decoded.issuer && decoded.issuer_signing_pubkey && ['Key of the payee', code(decoded.issuer_signing_pubkey)]],
    fee: true,
    send: (amounts) => call('Bolt12Send', { offer, ...(counts ? { quantity: 1 } : {}), ...amounts }),
  };
}

async function readOther(text) {
  const address = text.replace(/^bitcoin:/i, '');
  if (/^(bc1|tb1|bcrt1|[13mn2])[a-z0-9]{20,90}$/i.test(address)) {
    must('OnchainSend', 'This is an address on chain, and your rune does not allow to pay on chain.');
    const known = await estimates();
    const fee = known?.onchain_send;
    return { msat: undefined, payee: code(address), onchain: true, rows: [feeRow(fee, 'on top')], hint: feeHint(known, fee), send: ({ amount_msat: msat }) => call('OnchainSend', { address, amount_sats: wire(BigInt(msat) / 1000n) }) };
  }
  must('UnifiedSend', 'This is neither an invoice, an offer nor an address.');
  return { msat: undefined, mayBeWithout: true, payee: foreign(text), rows: [['How', 'the best way that it names: offer, invoice, or on chain']], fee: true, send: (amounts) => call('UnifiedSend', { uri: text, ...amounts }) };
}

function must(method, text) {
  if (!may(method)) throw new Error(text);
}

export function defaultFee(msat) {
  return msat / FEE_SHARE + FEE_BASE_MSAT;
}

// Asks, and begins to pay. Resolves with what was begun, or `null`.
async function confirm(bill) {
  const sum = bill.msat === undefined && amountField('Amount', { optional: bill.mayBeWithout, hint: bill.mayBeWithout ? bill.without ?? 'Leave it empty if it names an amount itself.' : 'It is left to you.' });
  const fee = bill.fee && amountField('Pay at most this much in fees', { value: bill.msat === undefined ? '' : String(defaultFee(bill.msat) / 1000n), optional: true, hint: 'The usual limit is 1 % and 50 sat. What is not needed is not paid.' });
  fee && (fee.input.placeholder = 'the usual limit');
  const verb = bill.verb ?? 'Pay';
  let begun = null;
  await dialog({
    title: bill.title ?? 'Pay this?',
    confirm: bill.msat === undefined ? verb : `${verb} ${amountText(bill.msat)}`,
    content: [
      bill.msat !== undefined && h('p', { class: 'total' }, amount(bill.msat)),
      list([bill.payer ? ['From', bill.payer] : ['To', bill.payee], !bill.onchain && ['For', bill.description ? foreign(bill.description) : h('span', { class: 'muted' }, 'it does not say')], ...bill.rows]),
      sum && sum.root,
      fee && fee.root,
      ...(bill.fields ?? []),
      bill.hint,
      bill.onchain && h('p', { class: 'muted' }, 'A payment on chain cannot be taken back.'),
    ],
    action: async () => {
      const amounts = amountsOf(sum, fee);
      if (amounts === null) return false;
      begun = await sentOnce(bill, amounts);
      return true;
    },
  });
  return begun;
}

function amountsOf(sum, fee) {
  const [msat, most] = [sum ? sum.read() : undefined, fee ? readFee(fee) : undefined];
  if (msat === null || most === null) return null;
  const amounts = {};
  if (msat !== undefined) amounts.amount_msat = wire(msat);
  if (most !== undefined) amounts.route_parameters = { max_total_routing_fee_msat: wire(most) };
  return amounts;
}

function readFee(fee) {
  return /^\s*0+\s*$/.test(fee.input.value) ? 0n : fee.read();
}

// An answer that did not come does not mean that nothing was paid.
async function sentOnce(bill, amounts) {
  try {
    return await bill.send(amounts);
  } catch (error) {
    if (!error.isOpen) throw error;
    refresh('payments');
    throw new Error(`${error.message} It is not known whether the payment has begun: look under Payments before you try again.`);
  }
}

function showOutcome(root, answer) {
  const id = answer.payment_id ?? answer.bolt11_payment_id ?? answer.bolt12_payment_id;
  const state = h('p', { class: 'state wait', role: 'status' }, answer.txid ? 'Sent: the transaction is on its way to the network' : 'On its way');
  const details = h('div', {});
  root.replaceChildren(h('section', { class: 'card stack outcome' }, h('h2', {}, 'Your payment'), state, details, h('p', {}, code(id ?? answer.txid, { short: true }))));
  const update = (payment) => {
    const { text, tone, hint } = stateOf(payment);
    state.className = `state ${tone}`;
    state.textContent = text;
    const said = tone === 'good' ? successShown(answer.success_action) : null;
    details.replaceChildren(list([['Amount', amount(payment.amount_msat ?? 0)], payment.fee_paid_msat !== undefined && ['Fee', amount(payment.fee_paid_msat)]]), h('p', { class: 'muted' }, hint), ...(said ? [said] : []));
  };
  const matches = (payment) => payment && (payment.id === id || (answer.txid && payment.kind?.onchain?.txid === answer.txid));
  refresh('payments', 'balances');
  const ends = [
    watchEvents((event) => {
      const payment = (event.payment_successful ?? event.payment_failed ?? event.payment_received)?.payment;
      if (matches(payment)) update(payment);
    }),
    may('ListPayments') && watch('payments', (page) => { const payment = page?.payments.find(matches); if (payment) update(payment); }),
  ].filter(Boolean);
  return () => ends.forEach((end) => end());
}
