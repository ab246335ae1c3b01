// What is known of the node, and who shows it. Events say what has to be asked for again.

import { call, follow, health, may } from './api.js';

const LOADERS = {
  info: ['GetNodeInfo', (answer) => answer],
  balances: ['GetBalances', (answer) => answer],
  channels: ['ListChannels', (answer) => answer.channels],
  peers: ['ListPeers', (answer) => answer.peers],
  payments: ['ListPayments', (answer) => answer, { page_size: 50 }],
};
// What changes without an event, such as the height of the chain.
const EVERY_MS = 15_000;
// Without events, payments have to be asked for.
const PAYMENTS_EVERY_MS = 4_000;
const LONGEST_PAUSE_MS = 30_000;

const values = new Map();
const watchers = new Map();
const eventWatchers = new Set();
const running = new Map();
let session = null;

// Calls `show(value, error)` now, if there is something, and at each change. Returns what ends it.
export function watch(name, show) {
  if (!watchers.has(name)) watchers.set(name, new Set());
  watchers.get(name).add(show);
  if (values.has(name)) show(values.get(name), null);
  else refresh(name);
  return () => watchers.get(name).delete(show);
}

export function watchEvents(onevent) {
  eventWatchers.add(onevent);
  return () => eventWatchers.delete(onevent);
}

export function current(name) {
  return values.get(name);
}

// Asks the node again. Several requests at once become one, and one more if they came while it ran.
export function refresh(...names) {
  return Promise.all(names.map(refreshOne));
}

function refreshOne(name) {
  const now = running.get(name);
  if (now) {
    now.again = true;
    return now.promise;
  }
  const entry = { again: false };
  running.set(name, entry);
  entry.promise = load(name).finally(() => {
    running.delete(name);
    if (entry.again) refreshOne(name);
  });
  return entry.promise;
}

async function load(name) {
  const mine = session;
  try {
    const value = await ask(name);
    if (mine !== session || value === undefined) return;
    values.set(name, value);
    tell(name, value, null);
  } catch (error) {
    if (mine === session) tell(name, values.get(name), error);
  }
}

async function ask(name) {
  if (name === 'health') return health();
  const [method, pick, request = {}] = LOADERS[name];
  return may(method) ? pick(await call(method, request)) : undefined;
}

function tell(name, value, error) {
  for (const show of watchers.get(name) ?? []) show(value, error);
}

// Begins to follow the node. `onlive(state)` is told 'live', 'waiting' or 'asking'.
export function begin(onlive) {
  session = new AbortController();
  const { signal } = session;
  every(EVERY_MS, signal, () => refresh('info', 'health', 'balances', 'channels', 'peers'));
  document.addEventListener('visibilitychange', () => document.hidden || refresh('info', 'balances', 'payments'), { signal });
  let isLive = false;
  const tellLive = (state) => {
    isLive = state === 'live';
    onlive(state);
  };
  every(PAYMENTS_EVERY_MS, signal, () => isLive || refresh('payments'));
  if (may('SubscribeEvents')) followEvents(signal, tellLive);
  else tellLive('asking');
}

export function end() {
  session?.abort();
  session = null;
  values.clear();
  running.clear();
}

function every(interval, signal, task) {
  const timer = setInterval(() => document.hidden || task(), interval);
  signal.addEventListener('abort', () => clearInterval(timer));
}

async function followEvents(signal, onlive) {
  let after;
  let pause = 500;
  while (!signal.aborted) {
    try {
      await follow({
        after,
        signal,
        onopen: () => {
          pause = 500;
          onlive('live');
          refresh('payments', 'channels', 'balances', 'info', 'health');
        },
        onevent: (event) => {
          after = event.event_index;
          happened(event);
        },
      });
    } catch (error) {
      if (signal.aborted || error.code === 'unauthenticated') return;
      if (error.code === 'out_of_range') after = undefined;
    }
    if (signal.aborted) return;
    onlive('waiting');
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

function happened(event) {
  const isOfChannel = event.channel_state_changed || event.splice_state_changed;
  refresh('payments', 'balances', 'channels', ...(isOfChannel ? ['peers'] : []));
  for (const onevent of eventWatchers) onevent(event);
}
