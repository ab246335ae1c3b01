// Walks through the page of a node. What another node is to do, such as paying, it asks for by printing a
// line of JSON, and waits until the page shows it.

import { check, checkAccess, checkIsWatched, launch, open, part, settled, signIn, SIZES } from './browser.mjs';

const task = JSON.parse(process.argv[2]);
const ask = (wish) => console.log(JSON.stringify(wish));
const PARTS = ['overview', 'receive', 'pay', 'payments', 'channels', 'peers', 'access', 'backups', 'calls', 'more'];

const WALKS = {
  // An invoice is made with the mouse, and paid by the other node: the page turns green by itself.
  async receive(browser) {
    const { page, errors } = await signedIn(browser, task.runes.invoice);
    await page.evaluate(() => { window.isSame = true; });
    await part(page, 'receive');
    await page.getByLabel('Amount', { exact: true }).fill('5000');
    await page.getByLabel('What it is for').fill('tea');
    await page.getByRole('button', { name: 'Make invoice' }).click();
    await payShown(page, 5000);
    check(await page.evaluate(() => window.isSame), 'the page was loaded again');
    await part(page, 'payments');
    await page.getByText('+5,000').first().waitFor();
    // What the rune forbids is not offered, and refused when it is asked for all the same.
    check(await page.locator('#nav a[href="#pay"]').count() === 0, 'paying is offered');
    const status = await page.evaluate(async (rune) => {
      const answer = await fetch('/v1/bolt11-send', { method: 'POST', headers: { rune, 'content-type': 'application/json' }, body: '{"invoice":"x"}' });
      return answer.status;
    }, task.runes.invoice);
    check(status === 403, `a forbidden call is answered with ${status}`);
    expectOnly(errors, /403/);
  },

  // The same without a mouse.
  async keyboard(browser) {
    const { page, errors } = await open(browser);
    await page.goto(task.url);
    await tabTo(page, 'Rune');
    await page.keyboard.type(task.runes.invoice);
    await page.keyboard.press('Enter');
    await page.locator('#signed-in').waitFor();
    await tabTo(page, 'Receive');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Amount');
    await page.keyboard.type('1 000');
    await page.keyboard.press('Enter');
    await payShown(page, 1000);
    expectOnly(errors);
  },

  // An invoice of the other node is paid, after a confirmation that shows what a stranger wrote.
  async pay(browser) {
    const { page, errors } = await signedIn(browser, task.runes.pay);
    await part(page, 'pay');
    await page.getByLabel('Invoice, offer or address').fill(`lightning:${task.invoice}`);
    await page.getByRole('button', { name: 'Look at it' }).click();
    const dialog = page.locator('dialog');
    await dialog.getByText('2,000').first().waitFor();
    const text = await dialog.textContent();
    for (const shown of [task.payee, 'U+202E', '<img src=x onerror=alert(1)>', 'U+0007']) check(text.includes(shown), `${shown} is not shown: ${text}`);
    check(await dialog.locator('img').count() === 0, 'a description became markup');
    check(await dialog.getByLabel('Pay at most this much in fees').inputValue() === '70', 'the limit of fees is another');
    await checkAccess(page, 'the confirmation');
    await dialog.getByRole('button', { name: 'Pay 2,000 sat' }).click();
    await page.locator('.outcome .state.good').waitFor();
    expectOnly(errors);
  },

  // A Lightning address is paid, with a comment, and what the service pays out is withdrawn.
  async lnurl(browser) {
    const { page, errors } = await signedIn(browser, task.runes.admin);
    const dialog = page.locator('dialog');
    const look = async (text) => {
      await part(page, 'overview');
      await part(page, 'pay');
      await page.getByLabel('Invoice, offer or address').fill(text);
      await page.getByRole('button', { name: 'Look at it' }).click();
      await dialog.getByText('localhost').first().waitFor();
    };
    await look(task.lightningAddress);
    check((await dialog.textContent()).includes('green tea'), 'it does not say what for');
    await dialog.getByLabel('Amount').fill('5000');
    await dialog.getByLabel('Comment').fill('with lemon');
    await checkAccess(page, 'the confirmation of a Lightning address');
    await dialog.getByRole('button', { name: 'Pay' }).click();
    await page.locator('.outcome .state.good').waitFor();
    await page.getByText('your tea is on its way').waitFor();
    await look(task.payout);
    check((await dialog.textContent()).includes('a prize'), 'it does not say what is paid out');
    await dialog.getByLabel('Amount').fill('3000');
    await dialog.getByRole('button', { name: 'Withdraw' }).click();
    await page.locator('.outcome .state.good').waitFor();
    await page.locator('.outcome').getByText('3,000').waitFor();
    expectOnly(errors);
  },

  // An offer is made and paid by the other node, and one of its own is paid.
  async offers(browser) {
    const { page, errors } = await signedIn(browser, task.runes.pay);
    await part(page, 'receive/offer');
    await page.getByLabel('Amount', { exact: true }).fill('3000');
    await page.getByLabel('What it is for').fill('a sign at the till');
    await page.getByRole('button', { name: 'Make offer' }).click();
    const offer = await page.locator('.to-pay code').textContent();
    check(await page.locator('.is-paid').count() === 0, 'it is green before it is paid');
    ask({ payOffer: offer });
    await page.locator('.to-pay.is-paid').waitFor();
    await page.getByText('Paid once, last 3,000 sat').waitFor();
    await part(page, 'pay');
    await page.getByLabel('Invoice, offer or address').fill(task.offer);
    await page.getByRole('button', { name: 'Look at it' }).click();
    const dialog = page.locator('dialog');
    await dialog.getByText('bread').waitFor();
    await dialog.getByRole('button', { name: 'Pay 1,500 sat' }).click();
    await page.locator('.outcome .state.good').waitFor();
    expectOnly(errors);
  },

  // Who may only look is offered nothing else, and refused when it asks all the same.
  async looking(browser) {
    const { page, errors } = await signedIn(browser, task.runes.read);
    for (const id of ['receive', 'pay', 'backups']) check(await page.locator(`#nav a[href="#${id}"]`).count() === 0, `${id} is offered`);
    await part(page, 'channels');
    await page.locator('.channel').waitFor();
    for (const name of ['Close', 'Add money', 'Take money out', 'Show what it costs']) check(await page.getByRole('button', { name, exact: true }).count() === 0, `${name} is offered`);
    const calls = ['open-channel', 'splice-in', 'splice-out', 'close-channel', 'force-close-channel', 'bolt11-send', 'bolt12-send', 'onchain-send', 'bolt11-receive', 'create-rune', 'connect-peer'];
    const answers = await page.evaluate(async ({ calls, rune }) => Promise.all(calls.map(async (call) => {
      const answer = await fetch(`/v1/${call}`, { method: 'POST', headers: { rune, 'content-type': 'application/json' }, body: '{}' });
      return `${call} ${answer.status}`;
    })), { calls, rune: task.runes.read });
    check(answers.every((answer) => answer.endsWith(' 403')), answers.join('\n'));
    expectOnly(errors, /403/);
  },

  // Money is moved into a channel and out of it, with what that costs.
  async splice(browser) {
    const { page, errors } = await signedIn(browser, task.runes.admin);
    await part(page, 'channels');
    const size = await sizeOfChannel(page);
    await page.getByRole('button', { name: 'Add money' }).click();
    const dialog = page.locator('dialog');
    const fees = await estimates(page);
    await dialog.getByText(`about ${fees.splice_in.fee_sats} sat, on top`).waitFor();
    await checkAccess(page, 'adding money');
    await dialog.getByLabel('How much to add').fill('100000');
    await dialog.getByRole('button', { name: 'Add it' }).click();
    await dialog.waitFor({ state: 'detached' });
    ask({ mine: 6 });
    await hasSize(page, size + 100_000);
    await page.getByRole('button', { name: 'Take money out' }).click();
    await dialog.getByText(`about ${fees.splice_out.fee_sats} sat, paid from the channel`).waitFor();
    await dialog.getByLabel('How much to take out').fill('50000');
    await dialog.getByRole('button', { name: 'Take it out' }).click();
    await dialog.waitFor({ state: 'detached' });
    ask({ mine: 6 });
    await hasSize(page, size + 50_000);
    const fee = size + 50_000 - await sizeOfChannel(page);
    check(Math.abs(fee - fees.splice_out.fee_sats) < 20, `a fee of ${fee} sat, estimated was ${fees.splice_out.fee_sats}`);
    expectOnly(errors);
  },

  // While payments arrive, nothing moves.
  async still(browser) {
    for (const [name, size] of Object.entries(SIZES)) {
      const { page, errors, close } = await open(browser, { size });
      await signIn(page, task.url, task.runes.admin);
      for (const [id, changing] of [['overview', '.total'], ['payments', '.rows'], ['channels', '.shares']]) {
        await part(page, id);
        await settled(page);
        const before = await shifted(page);
        for (let count = 0; count < 3; count += 1) {
          const text = await page.locator(changing).first().textContent();
          ask({ receive: 1_000 });
          await page.waitForFunction(([selector, old]) => document.querySelector(selector).textContent !== old, [changing, text]);
          await settled(page);
        }
        const moved = (await shifted(page)).slice(before.length);
        const total = moved.reduce((sum, { value }) => sum + value, 0);
        ask({ saw: `${id}, ${name}: layout shift ${total.toFixed(4)}` });
        check(total < 0.01, `${id}, ${name}: ${JSON.stringify(moved)}`);
      }
      expectOnly(errors);
      await close();
    }
  },

  // A channel is closed and another one opened, with what it costs.
  async channels(browser) {
    const { page, errors } = await signedIn(browser, task.runes.admin);
    await part(page, 'channels');
    const fees = await estimates(page);
    const { fee_sats: least, max_fee_sats: most } = fees.close_channel;
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await page.getByText(`between ${least} sat and ${most.toLocaleString('en-US')} sat, taken from it`).waitFor();
    await checkAccess(page, 'closing');
    await page.getByRole('button', { name: 'Close the channel' }).click();
    await page.locator('dialog').waitFor({ state: 'detached' });
    ask({ mine: 6 });
    await page.getByText('No channels yet').waitFor();
    await page.getByLabel('Node').fill(task.peer);
    await page.getByLabel('How much to put in').fill('200000');
    await page.getByRole('button', { name: 'Show what it costs' }).click();
    const dialog = page.locator('dialog');
    for (const shown of ['200,000', '25,000', 'You can spend on chain', `about ${fees.open_channel.fee_sats} sat, on top`]) await dialog.getByText(shown).first().waitFor();
    await dialog.getByRole('button', { name: 'Open with 200,000 sat' }).click();
    await dialog.waitFor({ state: 'detached', timeout: 60_000 });
    ask({ mine: 6 });
    await page.locator('.channel .state.good').waitFor();
    expectOnly(errors);
  },

  // Runes are made and revoked, and a backup is downloaded whole.
  async keeping(browser) {
    const { page, errors } = await signedIn(browser, task.runes.admin);
    await part(page, 'access');
    await page.getByLabel('Who or what it is for').fill('till');
    await page.getByRole('button', { name: 'Make rune' }).click();
    await page.getByText('It is shown only now').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.locator('.rune', { hasText: 'till' }).getByRole('button').click();
    await page.getByRole('button', { name: 'Revoke it' }).click();
    await page.locator('.rune', { hasText: 'till' }).getByText('Revoked').waitFor();
    await part(page, 'backups');
    await page.getByLabel('Passphrase').fill('correct horse battery');
    await page.getByLabel('The same once more').fill('correct horse battery');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Make a backup' }).click()]);
    await page.getByText('Made, and whole').waitFor();
    check(file.suggestedFilename().startsWith('regtest-'), file.suggestedFilename());
    expectOnly(errors);
  },

  // Every part, wide and on a phone, light and dark.
  async look(browser) {
    await checkIsWatched(browser, task.url);
    for (const [name, size] of Object.entries(SIZES)) {
      for (const colorScheme of ['light', 'dark']) {
        const { page, errors, close } = await open(browser, { size, colorScheme });
        await page.goto(task.url);
        await checkAccess(page, 'signing in');
        await signIn(page, task.url, task.runes.admin);
        for (const id of PARTS) {
          await part(page, id);
          await page.screenshot({ path: `${task.screenshots}/${id}-${name}-${colorScheme}.png` });
          await checkAccess(page, `${id}, ${name}, ${colorScheme}`);
          ask({ saw: `${id}, ${name}, ${colorScheme}` });
        }
        expectOnly(errors);
        await close();
      }
    }
  },
};

async function signedIn(browser, rune) {
  const opened = await open(browser);
  await signIn(opened.page, task.url, rune);
  return opened;
}

// What the node answers to a call of the page itself.
async function answer(page, call) {
  return page.evaluate(async ({ call, rune }) => {
    const answer = await fetch(`/v1/${call}`, { method: 'POST', headers: { rune, 'content-type': 'application/json' }, body: '{}' });
    return answer.json();
  }, { call, rune: task.runes.admin });
}

const estimates = (page) => answer(page, 'estimate-onchain-fees');

async function sizeOfChannel(page) {
  return (await answer(page, 'list-channels')).channels[0].channel_value_sats;
}

// Waits until the channel has about this size, which the fee of a splice may have lowered.
async function hasSize(page, sats) {
  const end = Date.now() + 30_000;
  for (;;) {
    const found = await sizeOfChannel(page);
    if (Math.abs(found - sats) < 1_000) return;
    check(Date.now() < end, `the channel has ${found} sat, not ${sats}`);
    await page.waitForTimeout(200);
  }
}

async function shifted(page) {
  return page.evaluate(() => window.shifts);
}

async function payShown(page, sats) {
  const invoice = await page.locator('.to-pay code').textContent();
  check(await page.locator('.is-paid').count() === 0, 'it is green before it is paid');
  ask({ pay: invoice });
  await page.locator('.to-pay.is-paid').waitFor();
  await page.getByText(`Paid: ${sats.toLocaleString('en-US')} sat`).waitFor();
}

// Goes on with the Tab key until what has this name has the focus.
async function tabTo(page, name) {
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => (document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim());
    if (focused === name) return;
  }
  throw new Error(`the Tab key does not reach ${name}`);
}

// A server without a feed of events refuses it with 405, and the page asks every few seconds instead.
const NO_FEED = /status of 405 .*\/v1\/events\)/;

function expectOnly(errors, allowed) {
  const others = errors.filter((error) => !allowed?.test(error) && !NO_FEED.test(error));
  check(others.length === 0, others.join('\n'));
}

const browser = await launch(task.chromium);
try {
  await WALKS[task.walk](browser);
  ask({ done: true });
} finally {
  await browser.close();
}
