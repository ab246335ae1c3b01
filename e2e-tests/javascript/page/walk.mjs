// Walks through the page of a node. What another node is to do, such as paying, it asks for by printing a
// line of JSON, and waits until the page shows it.

import { check, checkAccess, launch, open, part, signIn, SIZES } from './browser.mjs';

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

  // A channel is closed and another one opened, with what it costs.
  async channels(browser) {
    const { page, errors } = await signedIn(browser, task.runes.admin);
    await part(page, 'channels');
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await page.getByRole('button', { name: 'Close the channel' }).click();
    await page.locator('dialog').waitFor({ state: 'detached' });
    ask({ mine: 6 });
    await page.getByText('No channels yet').waitFor();
    await page.getByLabel('Node').fill(task.peer);
    await page.getByLabel('How much to put in').fill('200000');
    await page.getByRole('button', { name: 'Show what it costs' }).click();
    const dialog = page.locator('dialog');
    for (const shown of ['200,000', '25,000', 'You can spend on chain']) await dialog.getByText(shown).first().waitFor();
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

  // A call in gRPC-Web from the origin of the page: a frame with an empty message, and one with trailers.
  async grpcWeb(browser) {
    const { page, errors } = await signedIn(browser, task.runes.invoice);
    const answer = await page.evaluate(async (rune) => {
      const response = await fetch('/api.LightningNode/GetNodeInfo', { method: 'POST', headers: { rune, 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' }, body: new Uint8Array(5) });
      return new TextDecoder('latin1').decode(await response.arrayBuffer());
    }, task.runes.invoice);
    check(answer.includes(task.node) && answer.includes('grpc-status: 0'), `gRPC-Web answers ${JSON.stringify(answer)}`);
    expectOnly(errors);
  },

  // Every part, wide and on a phone, light and dark.
  async look(browser) {
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

function expectOnly(errors, allowed) {
  const others = errors.filter((error) => !allowed?.test(error));
  check(others.length === 0, others.join('\n'));
}

const browser = await launch(task.chromium);
try {
  await WALKS[task.walk](browser);
  ask({ done: true });
} finally {
  await browser.close();
}
