// A channel as a bar: what we have of it, and what the other side has.

import { call, may } from './api.js';
import { code, foreign, h } from './dom.js';
import { amount } from './format.js';
import { channelState, sharesOf } from './words.js';

const names = new Map();

export function channelBar(channel, actions) {
  const { local, remote, whole } = sharesOf(channel);
  const state = channelState(channel);
  const percent = (part) => `${Number((part * 1000n) / (whole || 1n)) / 10}%`;
  const [ours, theirs] = [h('span', { class: 'local' }), h('span', { class: 'remote' })];
  ours.style.width = percent(local);
  theirs.style.width = percent(remote);
  return h('article', { class: `channel ${channel.is_usable ? '' : 'is-idle'}` },
    h('div', { class: 'row' }, peerName(channel), h('span', { class: `state ${state.tone}`, title: state.hint }, state.text)),
    h('div', { class: 'bar', 'aria-hidden': 'true' }, ours, theirs),
    h('div', { class: 'row shares' },
      h('span', {}, h('span', { class: 'label' }, 'You can send '), amount(local)),
      h('span', {}, h('span', { class: 'label' }, 'You can receive '), amount(remote))),
    state.tone !== 'good' && h('p', { class: 'muted small-text' }, state.hint),
    actions);
}

// The name that the other node has given itself, beside its id, because anybody can take any name.
export function peerName({ counterparty_node_id: id, is_announced: isPublic }) {
  const root = h('span', { class: 'peer-name' }, code(id, { short: true }));
  // Of nodes without public channels the network does not know the name.
  if (isPublic && may('GraphGetNode')) nameOf(id).then((name) => name && root.prepend(foreign(name), ' '));
  return root;
}

function nameOf(id) {
  if (!names.has(id)) {
    const asked = call('GraphGetNode', { node_id: id }).then(({ node }) => node?.announcement_info?.alias ?? '', () => '');
    names.set(id, asked.then((name) => {
      if (name === '') names.delete(id);
      return name;
    }));
  }
  return names.get(id);
}
