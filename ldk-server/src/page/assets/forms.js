// Parts of forms, and the dialogs that ask before something is done.

import { h, newId, problem } from './dom.js';
import { amountText, parseSats, currentUnit } from './format.js';

// A labelled input. `field.input` is the input, `field.fail(text)` says what is wrong with it.
export function field(label, { hint, type = 'text', element, ...attributes } = {}) {
  const [id, hintId, errorId] = [newId(), newId(), newId()];
  const input = element ?? h('input', { type, ...attributes });
  input.id = id;
  input.setAttribute('aria-describedby', `${hintId} ${errorId}`);
  const error = h('p', { class: 'problem', id: errorId, role: 'alert', hidden: true });
  const root = h('div', { class: 'field' }, h('label', { for: id }, label), input, h('p', { class: 'hint', id: hintId }, hint), error);
  const fail = (text) => {
    error.hidden = !text;
    error.textContent = text ?? '';
    input.setAttribute('aria-invalid', text ? 'true' : 'false');
    if (text) input.focus();
  };
  input.addEventListener('input', () => fail(null));
  return { root, input, fail, hint: root.querySelector('.hint') };
}

export function choice(label, options, { hint } = {}) {
  const element = h('select', {}, options.map(([value, text]) => h('option', { value }, text)));
  return field(label, { element, hint });
}

// An input for an amount in satoshis. `read()` returns millisatoshis, `undefined` if it is empty and may be,
// and `null` after it has said what is wrong.
export function amountField(label, { hint, optional = false, value } = {}) {
  const made = field(label, { hint, inputmode: 'numeric', autocomplete: 'off', placeholder: optional ? 'any amount' : '0', value });
  const unit = h('span', { class: 'suffix', 'aria-hidden': 'true' }, 'sat');
  const box = h('div', { class: 'with-suffix' });
  made.input.replaceWith(box);
  box.append(made.input, unit);
  const plainHint = made.hint.textContent;
  made.input.addEventListener('input', () => {
    const parsed = parseSats(made.input.value);
    made.hint.textContent = parsed !== null && currentUnit() === 'BTC' ? amountText(parsed) : plainHint;
  });
  const read = () => {
    const text = made.input.value.trim();
    if (text === '' && optional) return undefined;
    const parsed = parseSats(text);
    if (parsed === null || parsed === 0n) {
      made.fail('Write a whole number of satoshis, such as 5000.');
      return null;
    }
    return parsed;
  };
  return { ...made, read };
}

// Millisatoshis for a request: a number where that is exact.
export function wire(value) {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

// A form. While `onsubmit` runs its button is out of use; what it throws is shown.
export function form(fields, button, onsubmit, { danger = false } = {}) {
  const submit = h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, button);
  const failure = h('div', {});
  const root = h('form', { class: 'stack', novalidate: true, autocomplete: 'off' }, fields, failure, h('div', { class: 'actions' }, submit));
  root.addEventListener('submit', async (event) => {
    event.preventDefault();
    await run(submit, failure, onsubmit);
  });
  return { root, submit };
}

async function run(button, failure, task) {
  failure.replaceChildren();
  button.disabled = true;
  button.setAttribute('aria-busy', 'true');
  try {
    await task();
  } catch (error) {
    failure.replaceChildren(problem(error));
  } finally {
    button.disabled = false;
    button.removeAttribute('aria-busy');
  }
}

// Opens a dialog. Resolves with `true` when `action` was done, and with `false` when it was given up.
// `action` may be left out: the dialog then only shows something.
export function dialog({ title, content, confirm, danger = false, action }) {
  return new Promise((resolve) => {
    const titleId = newId();
    const failure = h('div', {});
    const close = h('button', { type: 'button' }, action ? 'Cancel' : 'Close');
    const act = action && h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, confirm);
    const body = h('form', { method: 'dialog', class: 'stack', novalidate: true, autocomplete: 'off' },
      h('h2', { id: titleId }, title), content, failure, h('div', { class: 'actions' }, act, close));
    const root = h('dialog', { 'aria-labelledby': titleId }, body);
    let isDone = false;
    body.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (!act || act.disabled) return;
      await run(act, failure, async () => {
        if ((await action()) === false) return;
        isDone = true;
        root.close();
      });
    });
    close.addEventListener('click', () => root.close());
    // What was begun goes on: the dialog stays until it is known how it went.
    root.addEventListener('cancel', (event) => { if (act?.disabled) event.preventDefault(); });
    root.addEventListener('close', () => { root.remove(); resolve(isDone); });
    document.body.append(root);
    root.showModal();
    if (!body.querySelector('input, select, textarea')) close.focus();
  });
}
