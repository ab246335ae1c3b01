// Being paid: an invoice for one payment, an offer for many, an address on chain.

import { call, may } from './api.js';
import { code, copyButton, h } from './dom.js';
import { amountField, choice, field, form, wire } from './forms.js';
import { amount, amountText } from './format.js';
import { qr } from './qr.js';
import { watch, watchEvents } from './store.js';

const HOUR = 3600;
const WAYS = [
  { id: 'invoice', title: 'Invoice', needs: 'Bolt11Receive', explain: 'For one payment over Lightning.', show: invoice },
  { id: 'offer', title: 'Offer', needs: 'Bolt12Receive', explain: 'Can be paid many times, such as a sign at the till.', show: offer },
  { id: 'address', title: 'Address', needs: 'OnchainReceive', explain: 'For a payment on chain, which takes ten minutes or more.', show: address },
];

export function show(root, [wanted]) {
  const ways = WAYS.filter(({ needs }) => may(needs));
  const way = ways.find(({ id }) => id === wanted) ?? ways[0];
  const body = h('section', { class: 'card stack' }, h('p', { class: 'muted' }, way.explain));
  root.append(h('h1', {}, 'Receive'), tabs('receive', ways, way), body);
  return way.show(body);
}

export function tabs(part, ways, way) {
  return h('nav', { class: 'tabs', 'aria-label': 'Ways' }, ways.map(({ id, title }) => h('a', { href: `#${part}/${id}`, 'aria-current': id === way.id ? 'true' : undefined }, title)));
}

function invoice(body) {
  const sum = amountField('Amount', { optional: true, hint: 'Leave it empty to let the payer choose.' });
  const text = field('What it is for', { maxlength: 200, hint: 'The payer sees this.', autocomplete: 'off' });
  const expiry = choice('Can be paid for', [[HOUR, 'an hour'], [24 * HOUR, 'a day'], [7 * 24 * HOUR, 'a week']]);
  let ended = () => {};
  const make = form([sum.root, text.root, expiry.root], 'Make invoice', async () => {
    const msat = sum.read();
    if (msat === null) return;
    const request = { description: { direct: text.input.value }, expiry_secs: Number(expiry.input.value) };
    if (msat !== undefined) request.amount_msat = wire(msat);
    const made = await call('Bolt11Receive', request);
    ended = showInvoice(body, made, msat, text.input.value, () => { ended(); body.replaceChildren(make.root); make.root.reset(); sum.input.focus(); });
  });
  body.append(make.root);
  return () => ended();
}

function showInvoice(body, made, msat, text, again) {
  const state = h('p', { class: 'state wait', role: 'status' }, 'Waiting for the payment');
  const box = h('div', { class: 'stack to-pay' },
    msat === undefined ? h('p', { class: 'total' }, 'Any amount') : h('p', { class: 'total' }, amount(msat)),
    text && h('p', {}, text), state,
    qr(`LIGHTNING:${made.invoice.toUpperCase()}`, 'QR code of the invoice'),
    h('p', { class: 'long' }, code(made.invoice)),
    h('div', { class: 'actions' }, copyButton(made.invoice, 'the invoice'), h('button', { type: 'button', class: 'another', onclick: again }, 'New invoice')));
  body.replaceChildren(box);
  box.querySelector('button').focus();
  const paid = (payment) => {
    if (box.classList.contains('is-paid')) return;
    box.classList.add('is-paid');
    state.className = 'state good';
    state.textContent = `Paid: ${amountText(payment.amount_msat ?? msat ?? 0)}`;
  };
  return followPayment(made.payment_hash, paid);
}

// Calls `paid` once the payment is there: told by an event, or by the list of payments.
function followPayment(hash, paid) {
  const ends = [
    watchEvents(({ payment_received: received }) => received?.payment?.id === hash && paid(received.payment)),
    may('ListPayments') && watch('payments', (page) => {
      const payment = page?.payments.find(({ id, status }) => id === hash && status === 'SUCCEEDED');
      if (payment) paid(payment);
    }),
  ].filter(Boolean);
  return () => ends.forEach((end) => end());
}

function offer(body) {
  const sum = amountField('Amount', { optional: true, hint: 'Leave it empty to let each payer choose.' });
  const text = field('What it is for', { maxlength: 200, hint: 'Payers see this.', autocomplete: 'off' });
  let ended = () => {};
  const make = form([sum.root, text.root], 'Make offer', async () => {
    const msat = sum.read();
    if (msat === null) return;
    const request = { description: text.input.value };
    if (msat !== undefined) request.amount_msat = wire(msat);
    ended = showOffer(body, await call('Bolt12Receive', request), msat, text.input.value);
  });
  body.append(make.root);
  return () => ended();
}

function showOffer(body, made, msat, text) {
  const state = h('p', { class: 'state wait', role: 'status' }, 'Nobody has paid it since it was made');
  const box = h('div', { class: 'stack to-pay' },
    h('p', { class: 'total' }, msat === undefined ? 'Any amount' : amount(msat)), text && h('p', {}, text), state,
    qr(made.offer.toUpperCase(), 'QR code of the offer'),
    h('p', { class: 'long' }, code(made.offer)), h('div', { class: 'actions' }, copyButton(made.offer, 'the offer')));
  body.replaceChildren(box);
  let count = 0;
  return watchEvents(({ payment_received: received }) => {
    if (received?.payment?.kind?.bolt12_offer?.offer_id !== made.offer_id) return;
    count += 1;
    box.classList.add('is-paid');
    state.className = 'state good';
    state.textContent = `Paid ${count === 1 ? 'once' : `${count} times`}, last ${amountText(received.payment.amount_msat ?? 0)}`;
  });
}

function address(body) {
  const make = form([], 'Make a new address', async () => {
    const made = await call('OnchainReceive');
    body.replaceChildren(h('div', { class: 'stack to-pay' },
      h('p', { class: 'muted' }, 'Use it for one payment. It counts as received after a block or more.'),
      qr(`BITCOIN:${made.address.toUpperCase()}`, 'QR code of the address'),
      h('p', { class: 'long' }, code(made.address)), h('div', { class: 'actions' }, copyButton(made.address, 'the address'))));
  });
  body.append(make.root);
}
