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

// A page in a profile of its own. `errors` is what went wrong in it; `window.violations` are those of the
// policy, and `window.shifts` what moved although nobody had touched the page.
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
    window.violations = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      window.violations.push(violatedDirective);
      console.error(`policy: ${violatedDirective} ${blockedURI}`);
    });
    window.shifts = [];
    const parts = ({ sources }) => sources.map(({ node }) => node?.outerHTML ?? node?.textContent).join(' | ');
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
      if (!entry.hadRecentInput) window.shifts.push({ value: entry.value, what: parts(entry).slice(0, 300) });
    })).observe({ type: 'layout-shift', buffered: true });
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

// Waits until what was asked for is shown.
export async function settled(page) {
  await page.waitForFunction(() => !document.querySelector('.skeleton'));
  await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
}

// A violation of the policy, and a shift of the layout, are seen if there is one.
export async function checkIsWatched(browser, url) {
  const { page, close } = await open(browser);
  await page.goto(url);
  check(await page.evaluate(() => window.violations.length) === 0, 'the policy is violated');
  await page.evaluate(() => {
    const style = document.createElement('style');
    style.textContent = 'body { color: red; }';
    document.head.append(style);
  });
  await page.waitForFunction(() => window.violations.length > 0);
  await page.evaluate(() => {
    const block = document.createElement('p');
    block.textContent = 'pushed in from above';
    document.body.prepend(block);
  });
  await page.waitForFunction(() => window.shifts.length > 0);
  await close();
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
