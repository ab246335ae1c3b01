// LNURLs and Lightning addresses: what the service at the other end offers, to be paid or to be withdrawn.

import { call, may } from './api.js';
import { foreign, h, list } from './dom.js';
import { field } from './forms.js';
import { amountText, integer } from './format.js';

export function isLnurl(text) {
  return /^(lnurl1[a-z0-9]+|lnurl[pw]:\S+|[^\s@:/]+@[^\s@/]+)$/i.test(text);
}

// As `read` of pay.js.
export async function readLnurl(lnurl) {
  if (!may('ResolveLnurl')) throw new Error('This is an LNURL or a Lightning address, and your rune does not allow to ask what it offers.');
  const { domain, pay, withdraw } = await call('ResolveLnurl', { lnurl });
  if (pay) return toPay(lnurl, domain, pay);
  if (withdraw) return toWithdraw(lnurl, domain, withdraw);
  throw new Error('This service offers nothing that the page knows.');
}

function toPay(lnurl, domain, terms) {
  if (!may('LnurlPay')) throw new Error('Your rune does not allow to pay LNURLs and Lightning addresses.');
  const most = Number(terms.max_comment_chars ?? 0);
  const comment = most > 0 ? field('Comment', { maxlength: most, hint: 'The payee can read it. You may leave it empty.', autocomplete: 'off' }) : null;
  const { msat, rows } = bounds(terms);
  return {
    msat,
    payee: terms.identifier ? h('span', {}, foreign(terms.identifier), ' at ', foreign(domain)) : foreign(domain),
    description: terms.description,
    rows,
    fee: true,
    fields: [comment?.root],
    send: (amounts) => call('LnurlPay', { lnurl, ...(comment?.input.value ? { comment: comment.input.value } : {}), ...amounts }),
  };
}

function toWithdraw(lnurl, domain, terms) {
  if (!may('LnurlWithdraw')) throw new Error('This pays out, and your rune does not allow to withdraw.');
  const { msat, rows } = bounds(terms);
  return {
    msat,
    mayBeWithout: true,
    without: 'Leave it empty for as much as the service pays.',
    title: 'Withdraw this?',
    verb: 'Withdraw',
    payer: foreign(domain),
    description: terms.description,
    rows,
    send: (amounts) => call('LnurlWithdraw', { lnurl, ...amounts }),
  };
}

function bounds({ min_amount_msat: min, max_amount_msat: max }) {
  const [least, most] = [integer(min ?? 0), integer(max ?? 0)];
  if (least === most) return { msat: least, rows: [] };
  return { msat: undefined, rows: [['Between', `${amountText(least)} and ${amountText(most)}`]] };
}

// What the service wants to be shown once it is paid. It is never opened by itself.
export function successShown(action) {
  if (!action) return null;
  if (action.message !== undefined) return list([['The payee says', foreign(action.message)]]);
  if (action.url) return list([['The payee says', foreign(action.url.description ?? '')], ['Link', foreign(action.url.url)]]);
  return list([['The payee says', foreign(action.aes?.description ?? '')], ['Text, encrypted with the preimage', foreign(action.aes?.ciphertext ?? '')]]);
}
