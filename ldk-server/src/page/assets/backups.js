// Backups: when one was made last, and making one, which is downloaded as a file.

import { call, may, stream } from './api.js';
import { code, h, list, problem, toast } from './dom.js';
import { field, form } from './forms.js';
import { ago, number, time } from './format.js';

const SHORTEST = 12;
// What the browser keeps in memory until the file is whole.
const MOST_BYTES = 2 ** 31;

export function show(root) {
  const last = h('div', {});
  root.append(h('h1', {}, 'Backups'),
    h('p', { class: 'lead muted' }, 'The words of the wallet restore only the money on chain. What is in channels is in the backup.'),
    may('ListAuditEntries') && h('section', { class: 'card stack' }, h('h2', {}, 'The last one'), last) || '',
    makeForm(() => showLast(last)));
  if (may('ListAuditEntries')) showLast(last);
}

async function showLast(root) {
  try {
    const { entries } = await call('ListAuditEntries', { method: 'CreateBackup', result: 'OK', page_size: 1 });
    const [entry] = entries;
    root.replaceChildren(entry
      ? h('p', {}, 'Made ', time(entry.created_at), `, ${ago(entry.created_at)}, by ${entry.caller}.`)
      : h('p', { class: 'state bad' }, 'None is on record. Make one now.'));
  } catch (error) {
    root.replaceChildren(problem(error));
  }
}

function makeForm(reload) {
  const secret = field('Passphrase', { type: 'password', autocomplete: 'new-password', hint: 'At least 12 characters. Without it nobody can read the backup, not even you: keep it elsewhere.' });
  const again = field('The same once more', { type: 'password', autocomplete: 'new-password' });
  const progress = h('p', { class: 'muted', role: 'status' });
  const result = h('div', {});
  const make = form([secret.root, again.root, progress], 'Make a backup and download it', async () => {
    if ([...secret.input.value].length < SHORTEST) return secret.fail('Write at least 12 characters.');
    if (secret.input.value !== again.input.value) return again.fail('The two are not the same.');
    result.replaceChildren();
    try {
      const { parts, summary } = await made(secret.input.value, progress);
      await check(parts, summary);
      save(parts, `${summary.network}-${summary.node_id.slice(0, 8)}-${new Date(Number(summary.created_at) * 1000).toISOString().slice(0, 19).replaceAll(':', '')}.backup`);
      make.root.reset();
      result.replaceChildren(described(summary));
      toast('The backup is downloaded.');
    } finally {
      progress.textContent = '';
    }
    return reload();
  });
  return h('section', { class: 'card stack' }, h('h2', {}, 'Make one'), make.root, result,
    h('p', { class: 'hint' }, 'Never start the node from an old backup while a newer state exists: that can lose the money in channels.'));
}

async function made(passphrase, progress) {
  const [parts, backup] = [[], { bytes: 0, summary: null }];
  await stream('CreateBackup', { passphrase }, ({ chunk, summary }) => {
    if (summary) backup.summary = summary;
    if (!chunk) return;
    const bytes = Uint8Array.from(atob(chunk), (character) => character.charCodeAt(0));
    parts.push(bytes);
    backup.bytes += bytes.length;
    if (backup.bytes > MOST_BYTES) throw new Error('The backup is too large for a browser. Make it with ldk-server-cli backup.');
    progress.textContent = `${number(Math.ceil(backup.bytes / 1024))} KiB`;
  });
  if (!backup.summary) throw new Error('The backup is not whole. Make it again.');
  return { parts, summary: backup.summary };
}

// The file must be what the node has written.
async function check(parts, summary) {
  const digest = await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer());
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (hex !== summary.sha256) throw new Error('The backup was damaged on its way. Make it again.');
}

function save(parts, name) {
  const url = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
  const link = h('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function described(summary) {
  return h('div', {}, h('p', { class: 'state good' }, 'Made, and whole'), list([
    ['Size', `${number(Math.ceil(Number(summary.total_bytes) / 1024))} KiB`],
    ['State', summary.epoch],
    ['SHA-256', code(summary.sha256, { short: true })],
    ['Keys of the node', summary.includes_keys ? 'in it' : 'not in it: keep them elsewhere'],
  ]));
}
