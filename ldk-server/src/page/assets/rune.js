// Reads a rune, to know what need not be offered. Whether a call is allowed, the server decides.

const CODE_BYTES = 32;
const OPERATORS = '=/^$~<>{}!#';
const LIMITS = ['rate', 'per', 'budget'];

// The id and the restrictions of a rune, each a list of alternatives { field, operator, value }. `null` if
// the text is no rune.
export function decode(text) {
  const bytes = fromBase64Url(text);
  if (!bytes || bytes.length < CODE_BYTES) return null;
  const rest = new TextDecoder().decode(bytes.slice(CODE_BYTES));
  const restrictions = rest === '' ? [] : split(rest, '&').map((one) => split(one, '|').map(alternative));
  if (restrictions.flat().includes(null)) return null;
  const first = restrictions[0]?.[0];
  const hasId = first?.field === '' && first.operator === '=';
  return { id: hasId ? first.value.split('-')[0] : null, restrictions: hasId ? restrictions.slice(1) : restrictions };
}

function fromBase64Url(text) {
  if (!/^[A-Za-z0-9_-]+=*$/.test(text)) return null;
  try {
    const decoded = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(decoded, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

// Splits at a separator that no backslash precedes. The parts keep their backslashes.
function split(text, separator) {
  const parts = [''];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') {
      parts[parts.length - 1] += text.slice(at, at + 2);
      at += 1;
    } else if (text[at] === separator) parts.push('');
    else parts[parts.length - 1] += text[at];
  }
  return parts;
}

function alternative(text) {
  const at = [...text].findIndex((character) => OPERATORS.includes(character));
  if (at < 0) return null;
  return { field: text.slice(0, at), operator: text[at], value: text.slice(at + 1).replace(/\\(.)/gs, '$1') };
}

// Whether the rune may allow a call, { name, group }. What depends on its parameters, its caller or
// earlier calls is taken to be allowed.
export function mayAllow(rune, call) {
  const facts = { method: call.name, group: call.group, time: String(Math.floor(Date.now() / 1000)) };
  return rune.restrictions.every((alternatives) => alternatives.some((one) => canHold(one, facts)));
}

function canHold({ field, operator, value }, facts) {
  if (operator === '#') return true;
  if (LIMITS.includes(field) || field === 'id' || /^(pname|parr|pnum)/.test(field)) return true;
  const fact = facts[field];
  return fact !== undefined && holds(fact, operator, value);
}

function holds(fact, operator, value) {
  switch (operator) {
    case '=': return fact === value;
    case '/': return fact !== value;
    case '^': return fact.startsWith(value);
    case '$': return fact.endsWith(value);
    case '~': return fact.includes(value);
    case '<': return isInteger(fact) && isInteger(value) && BigInt(fact) < BigInt(value);
    case '>': return isInteger(fact) && isInteger(value) && BigInt(fact) > BigInt(value);
    case '{': return fact < value;
    case '}': return fact > value;
    default: return false;
  }
}

function isInteger(text) {
  return /^-?\d{1,19}$/.test(text);
}

// When the rune expires, in Unix seconds, or `null`.
export function expiry(rune) {
  const times = rune.restrictions
    .filter((alternatives) => alternatives.length === 1)
    .map(([{ field, operator, value }]) => (field === 'time' && operator === '<' && isInteger(value) ? Number(value) : null));
  const known = times.filter((time) => time !== null);
  return known.length > 0 ? Math.min(...known) : null;
}

const WORDS = { '=': 'is', '/': 'is not', '^': 'begins with', $: 'ends with', '~': 'contains', '<': 'is below', '>': 'is above', '{': 'sorts before', '}': 'sorts after', '!': 'is not given' };

// A restriction in words.
export function inWords(alternatives) {
  const groups = alternatives.every(({ field, operator }) => field === 'group' && operator === '=');
  if (groups) return `Only calls of these kinds: ${alternatives.map(({ value }) => value).join(', ')}`;
  return alternatives.map(clause).join(', or ');
}

function clause({ field, operator, value }) {
  if (operator === '#') return `note: ${field}${value}`;
  if (field === 'time' && operator === '<' && isInteger(value)) return `until ${new Date(Number(value) * 1000).toLocaleString()}`;
  if (field === 'budget') return `spends at most ${value.replace('/', ' in any ')}`;
  if (field === 'rate') return `at most ${value} calls a minute`;
  if (field === 'method' && operator === '=') return `the call ${value}`;
  if (field === 'group' && operator === '=') return `calls of the kind ${value}`;
  return `${field.replace(/^pname_?/, 'parameter ')} ${WORDS[operator]} ${value}`.trim();
}

// A restriction as it is written, such as those of the list of runes.
export function parse(text) {
  const alternatives = split(text, '|').map(alternative);
  return alternatives.includes(null) ? [{ field: text, operator: '#', value: '' }] : alternatives;
}
