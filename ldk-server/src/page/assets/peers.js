// Nodes that this one is connected to.

import { call, may } from './api.js';
import { code, empty, h, loading, problem, toast } from './dom.js';
import { dialog, field, form } from './forms.js';
import { current, refresh, watch } from './store.js';
import { splitAddress } from './channels.js';

export function show(root) {
  const body = h('div', {}, loading(4));
  root.append(h('h1', {}, 'Peers'), h('section', { class: 'card stack', 'aria-label': 'Peers' }, body));
  if (may('ConnectPeer')) root.append(connectForm());
  return watch('peers', (peers, error) => body.replaceChildren(error ? problem(error) : rows(peers)));
}

function rows(peers) {
  if (peers.length === 0) return empty('No peers', 'Connect to a node to open a channel with it.');
  return h('ul', { class: 'rows' }, peers.map((peer) => h('li', { class: 'row peer' },
    h('div', { class: 'what' }, code(peer.node_id, { short: true }), h('span', { class: 'muted' }, peer.connected_address ?? peer.address)),
    h('span', { class: `state ${peer.is_connected ? 'good' : 'off'}` }, peer.is_connected ? 'Connected' : 'Not connected'),
    may('DisconnectPeer') && h('button', { type: 'button', class: 'small', onclick: () => disconnect(peer) }, peer.is_connected ? 'Disconnect' : 'Forget'))));
}

function connectForm() {
  const peer = field('Node', { hint: 'Its id and address, as in 02ab…@203.0.113.7:9735', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' });
  const keep = h('input', { type: 'checkbox', checked: true });
  const connect = form([peer.root, h('label', { class: 'check' }, keep, ' Connect to it again by itself')], 'Connect', async () => {
    const node = splitAddress(peer.input.value);
    if (!node) return peer.fail('Write the id, an @, and the address of the node.');
    await call('ConnectPeer', { node_pubkey: node.id, address: node.address, persist: keep.checked });
    toast('Connected.');
    connect.root.reset();
    return refresh('peers');
  });
  return h('section', { class: 'card stack' }, h('h2', {}, 'Connect to a node'), connect.root);
}

async function disconnect(peer) {
  const hasChannel = (current('channels') ?? []).some((channel) => channel.counterparty_node_id === peer.node_id);
  await dialog({
    title: 'Disconnect from this node?',
    confirm: 'Disconnect',
    danger: hasChannel,
    content: [h('p', {}, code(peer.node_id)), h('p', { class: 'muted' }, hasChannel
      ? 'You have a channel with it, which cannot be used until the two are connected again. This node will not do that by itself any more.'
      : 'This node will not connect to it by itself any more.')],
    action: async () => { await call('DisconnectPeer', { node_pubkey: peer.node_id }); },
  });
  refresh('peers', 'channels');
}
