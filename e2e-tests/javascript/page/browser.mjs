// A browser, and what must not happen in it: errors, violations of the policy, requests to others.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

// The packages are not beside this file.
const require = createRequire(path.join(process.env.NODE_PACKAGES, 'x.js'));
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const SIZES = { wide: { width: 1280, height: 860 }, phone: { width: 360, height: 740 } };

export async function launch(executablePath) {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
}

// A page in a profile of its own. `watched.errors` is what went wrong in it.
export async function open(browser, { size = SIZES.wide, colorScheme = 'light' } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: size, colorScheme, locale: 'en-GB', acceptDownloads: true });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && errors.push(`${message.text()} (${message.location().url})`));
  page.on('pageerror', (error) => errors.push(String(error.stack)));
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol !== 'blob:' && hostname !== '127.0.0.1') errors.push(`a request to ${request.url()}`);
    if (request.url().includes('rune=')) errors.push('a rune in a request line');
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => console.error(`policy: ${violatedDirective} ${blockedURI}`));
  });
  return { page, errors, close: () => context.close() };
}

export async function signIn(page, url, rune) {
  await page.goto('about:blank');
  await page.goto(`${url}/#rune=${encodeURIComponent(rune)}`);
  await page.locator('#signed-in').waitFor();
  check(!page.url().includes('rune'), `the rune stays in the address: ${page.url()}`);
}

export async function part(page, id) {
  await page.evaluate((wanted) => { location.hash = `#${wanted}`; }, id);
  await page.locator('#main h1').waitFor();
  await page.locator('[aria-busy="true"]').waitFor({ state: 'detached' }).catch(() => {});
}

export function check(holds, text) {
  if (!holds) throw new Error(text);
}

// Nothing that axe calls serious or worse, and nothing beside the screen.
export async function checkAccess(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate('axe.run()');
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  check(serious.length === 0, `${where}: ${JSON.stringify(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))}`);
  const beside = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(beside <= 0, `${where}: ${beside} pixels are beside the screen`);
}
