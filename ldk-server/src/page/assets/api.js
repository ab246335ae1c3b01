// Calls of the node, and its events.

import { decode, mayAllow } from './rune.js';

const KEY = 'rune';
// An answer may take long: a channel is opened, or another payment has its turn first.
const PATIENCE_MS = 120_000;

let credential = null;
let rights = null;
let table = new Map();
let onSignedOut = () => {};

// What went wrong, in words for a person.
export class Problem extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }

  // Whether it cannot be told if the call was carried out.
  get isOpen() {
    return ['unreachable', 'deadline_exceeded', 'unknown', 'internal', 'canceled'].includes(this.code);
  }
}

export function remembered() {
  return sessionStorage.getItem(KEY);
}

export function signedInWith() {
  return { text: credential, ...rights };
}

// Signs in, if the rune is good. Throws a `Problem` otherwise.
export async function signIn(text, { remember, signedOut }) {
  const rune = decode(text);
  if (!rune) throw new Problem('invalid', 'This is no rune. Copy the whole text, from its first character to its last.');
  [credential, rights] = [text, rune];
  try {
    table = new Map((await asset('/page/calls.json')).calls.map((one) => [one.name, one]));
    if (may('CheckRune')) await verify(text);
  } catch (error) {
    [credential, rights] = [null, null];
    throw error;
  }
  onSignedOut = signedOut;
  if (remember) sessionStorage.setItem(KEY, text);
}

async function verify(text) {
  const { allowed, reason } = await call('CheckRune', { rune: text });
  if (!allowed) throw new Problem('unauthenticated', `The node does not accept this rune: ${reason}`);
}

export function signOut() {
  [credential, rights] = [null, null];
  sessionStorage.removeItem(KEY);
}

// Whether the rune may allow this call.
export function may(name) {
  const one = table.get(name);
  return Boolean(rights && one && mayAllow(rights, one));
}

export function calls() {
  return [...table.values()];
}

async function asset(path) {
  const response = await sent(path, {});
  if (!response.ok) throw new Problem('unreachable', `The node did not answer as expected (${response.status}). Reload the page.`);
  return response.json();
}

// Makes a call and returns its answer.
export async function call(name, request = {}) {
  const response = await sent(`/v1/${table.get(name).kebab}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', rune: credential },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

async function sent(path, options) {
  try {
    return await fetch(path, { cache: 'no-store', credentials: 'same-origin', referrerPolicy: 'no-referrer', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    if (error.name === 'TimeoutError') throw new Problem('deadline_exceeded', 'The node took too long to answer.');
    throw new Problem('unreachable', 'The node cannot be reached. Check that it runs and that you are connected to its network.');
  }
}

async function refusal(response) {
  const { code = 'unknown', message = '' } = await response.json().catch(() => ({}));
  if (code === 'unauthenticated') {
    const leave = onSignedOut;
    queueMicrotask(() => leave('Your rune is not accepted any more: it has expired or was revoked. Sign in with another one.'));
  }
  return new Problem(code, WORDS[code]?.(message) ?? sentence(message || `The node answered with status ${response.status}.`));
}

const WORDS = {
  unauthenticated: (message) => `The node does not accept this rune: ${message}.`,
  permission_denied: (message) => `Your rune does not allow this. ${sentence(message)}`,
  unavailable: (message) => `The node is not ready. ${sentence(message)} Try again in a moment.`,
  resource_exhausted: (message) => `The node has too much to do. ${sentence(message)} Try again in a moment.`,
  internal: () => 'Something went wrong inside the node. Its log says what.',
};

export function sentence(text) {
  const trimmed = text.trim();
  if (trimmed === '') return '';
  const capital = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

// Whether the node is ready, and what stands in the way if not.
export async function health() {
  const response = await sent('/readyz', { signal: AbortSignal.timeout(PATIENCE_MS) });
  const lines = (await response.text()).split('\n').filter(Boolean);
  return { isReady: response.ok, reasons: response.ok ? lines.slice(1) : lines };
}

// The documentation of all calls.
export function documentation() {
  return asset('/openapi.json');
}

// Follows the events until `signal` is aborted: those after `after`, or those from now on.
export async function follow({ after, signal, onopen, onevent }) {
  const headers = { accept: 'text/event-stream', rune: credential };
  if (after !== undefined) headers['last-event-id'] = String(after);
  const response = await sent('/v1/events', { headers, signal });
  if (!response.ok) throw await refusal(response);
  onopen();
  await readLines(response.body, messages(onevent));
}

// Puts the lines of server-sent events together.
function messages(onevent) {
  let data = [];
  return (line) => {
    if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
    else if (line === '' && data.length > 0) {
      const text = data.join('\n');
      data = [];
      onevent(JSON.parse(text));
    }
  };
}

async function readLines(body, online) {
  const decoder = new TextDecoder();
  let rest = '';
  for (const reader = body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r/);
    rest = lines.pop();
    lines.forEach(online);
  }
}

// Makes a call that answers with a stream of messages, as the Connect protocol has it: each is preceded by
// a byte of flags and four of its length.
export async function stream(name, request, onmessage) {
  const response = await sent(`/api.LightningNode/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/connect+json', 'connect-protocol-version': '1', rune: credential },
    body: envelope(JSON.stringify(request)),
  });
  if (!response.ok) throw await refusal(response);
  const reader = new Envelopes(response.body);
  for (;;) {
    const { isLast, message } = await reader.next();
    if (isLast && message.error) throw new Problem(message.error.code, sentence(message.error.message ?? 'the node broke off'));
    if (isLast) return;
    onmessage(message);
  }
}

const HEAD_BYTES = 5;
const LAST = 2;

function envelope(text) {
  const content = new TextEncoder().encode(text);
  const whole = new Uint8Array(HEAD_BYTES + content.length);
  new DataView(whole.buffer).setUint32(1, content.length);
  whole.set(content, HEAD_BYTES);
  return whole;
}

class Envelopes {
  constructor(body) {
    this.reader = body.getReader();
    this.buffer = new Uint8Array(0);
  }

  async next() {
    const head = await this.take(HEAD_BYTES);
    const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
    const content = await this.take(length);
    return { isLast: (head[0] & LAST) !== 0, message: JSON.parse(new TextDecoder().decode(content)) };
  }

  async take(length) {
    while (this.buffer.length < length) {
      const { done, value } = await this.reader.read();
      if (done) throw new Problem('unreachable', 'The node broke off before it was done.');
      const longer = new Uint8Array(this.buffer.length + value.length);
      longer.set(this.buffer);
      longer.set(value, this.buffer.length);
      this.buffer = longer;
    }
    const taken = this.buffer.slice(0, length);
    this.buffer = this.buffer.slice(length);
    return taken;
  }
}
