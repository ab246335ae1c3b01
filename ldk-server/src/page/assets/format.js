// Amounts and times for people.

import { h } from './dom.js';

const grouped = new Intl.NumberFormat('en-US');
const KEY = 'unit';

let unit = sessionStorage.getItem(KEY) === 'btc' ? 'btc' : 'sat';

export function currentUnit() {
  return unit === 'btc' ? 'BTC' : 'sat';
}

export function switchUnit() {
  unit = unit === 'btc' ? 'sat' : 'btc';
  sessionStorage.setItem(KEY, unit);
}

// 64-bit numbers come as numbers or, if they could be rounded, as text.
export function integer(value) {
  return BigInt(value ?? 0);
}

export function sats(value) {
  return integer(value) * 1000n;
}

// An amount in millisatoshis as text, in the unit that is chosen.
export function amountText(msat) {
  const amount = integer(msat);
  return unit === 'btc' ? `${bitcoin(amount)} BTC` : `${satoshis(amount)} sat`;
}

function satoshis(msat) {
  const whole = grouped.format(msat / 1000n);
  const rest = msat % 1000n;
  return rest === 0n ? whole : `${whole}.${fraction(rest, 3)}`;
}

function bitcoin(msat) {
  const whole = grouped.format(msat / 100_000_000_000n);
  const digits = (msat % 100_000_000_000n).toString().padStart(11, '0');
  const sat = digits.slice(0, 8);
  const rest = digits.slice(8).replace(/0+$/, '');
  return `${whole}.${sat}${rest}`;
}

function fraction(number, digits) {
  return number.toString().padStart(digits, '0').replace(/0+$/, '');
}

// An amount as an element, whose unit is less prominent than its digits.
export function amount(msat, { sign = '', className = '' } = {}) {
  const text = amountText(msat);
  const at = text.lastIndexOf(' ');
  return h('span', { class: `amount ${className}`.trim() }, sign, text.slice(0, at), h('span', { class: 'unit' }, text.slice(at)));
}

// What somebody typed as an amount in satoshis, in millisatoshis; `null` if it is no amount.
export function parseSats(text) {
  const plain = text.replace(/[\s,_']/g, '');
  if (!/^\d{1,16}$/.test(plain)) return null;
  return BigInt(plain) * 1000n;
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const STEPS = [['day', 86_400], ['hour', 3600], ['minute', 60]];

export function ago(seconds) {
  const passed = Number(seconds) - Date.now() / 1000;
  for (const [name, length] of STEPS) {
    if (Math.abs(passed) >= length) return relative.format(Math.trunc(passed / length), name);
  }
  return passed > 5 ? 'in less than a minute' : 'just now';
}

export function time(seconds) {
  const date = new Date(Number(seconds) * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  const clock = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const text = isToday ? clock : date.toLocaleDateString([], { day: 'numeric', month: 'short', year: 'numeric' });
  return h('time', { datetime: date.toISOString(), title: date.toLocaleString() }, text);
}

export function plural(count, one, many = `${one}s`) {
  return `${grouped.format(count)} ${count === 1 ? one : many}`;
}

export function number(value) {
  return grouped.format(value);
}
