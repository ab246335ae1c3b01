// Pages of other origins call a node: in gRPC-Web, in JSON, and for events. Which of the origins may is in
// the task.

import http from 'node:http';
import { check, launch } from './browser.mjs';

const task = JSON.parse(process.argv[2]);

// Calls in a page. gRPC-Web is written by hand, so that it is seen on the wire.
async function calls({ url, rune, wrong }) {
  const PATH = '/api.LightningNode/';
  const frame = (message) => {
    const whole = new Uint8Array(5 + message.length);
    new DataView(whole.buffer).setUint32(1, message.length);
    whole.set(message, 5);
    return whole;
  };
  const toText = (bytes) => btoa(String.fromCharCode(...bytes));
  // Each part of the text is base64 with padding of its own.
  const fromText = (text) => Uint8Array.from((text.match(/[^=]+=*/g) ?? []).map(atob).join(''), (letter) => letter.charCodeAt(0));

  function divided(body) {
    const [messages, trailers] = [[], []];
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    for (let at = 0; at < body.length;) {
      const length = view.getUint32(at + 1);
      const content = body.subarray(at + 5, at + 5 + length);
      (body[at] & 0x80 ? trailers : messages).push(String.fromCharCode(...content));
      at += 5 + length;
    }
    return { messages, trailers };
  }

  async function grpcWeb(method, message, contentType, credential) {
    const isText = contentType.includes('text');
    const body = frame(message);
    const response = await fetch(url + PATH + method, {
      method: 'POST',
      headers: { 'content-type': contentType, accept: contentType, 'x-grpc-web': '1', 'grpc-timeout': '20S', rune: credential },
      body: isText ? toText(body) : body,
    });
    const read = isText ? fromText(await response.text()) : new Uint8Array(await response.arrayBuffer());
    const { messages, trailers } = divided(read);
    const headers = ['grpc-status', 'grpc-message'].map((name) => `${name}:${response.headers.get(name)}`);
    return { status: response.status, type: response.headers.get('content-type'), messages, trailers, headers };
  }

  const answers = {};
  for (const type of ['application/grpc-web+proto', 'application/grpc-web', 'application/grpc-web-text', 'application/grpc-web-text+proto']) {
    answers[type] = {
      good: await grpcWeb('GetNodeInfo', new Uint8Array(), type, rune),
      stranger: await grpcWeb('GetNodeInfo', new Uint8Array(), type, wrong),
      // An invoice that is none.
      bad: await grpcWeb('DecodeInvoice', new Uint8Array([10, 1, 0x78]), type, rune),
    };
  }
  const json = { method: 'POST', headers: { rune, 'content-type': 'application/json' }, body: '{}' };
  const rest = await (await fetch(`${url}/v1/get-node-info`, json)).json();
  const connect = await (await fetch(`${url}${PATH}GetNodeInfo`, { ...json, headers: { ...json.headers, 'connect-protocol-version': '1', 'connect-timeout-ms': '20000' } })).json();
  const feed = await fetch(`${url}/v1/events`, { headers: { rune, 'last-event-id': '0' } });
  const first = new TextDecoder().decode((await feed.body.getReader().read()).value);
  return { answers, rest, connect, feed: feed.status, first };
}

// What a page meets that may not call: nothing to read, and no effect.
async function refused({ url, rune }) {
  const outcomes = [];
  for (const headers of [{ rune, 'content-type': 'application/json' }, { rune, 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' }, { 'content-type': 'text/plain' }]) {
    outcomes.push(await fetch(`${url}/v1/onchain-receive`, { method: 'POST', headers, body: '{}' }).then((response) => `answered with ${response.status}`, () => 'refused'));
  }
  outcomes.push(await fetch(`${url}/v1/events`, { headers: { rune } }).then((response) => `answered with ${response.status}`, () => 'refused'));
  return outcomes;
}

function checkCalls({ answers, rest, connect, feed, first }, origin) {
  for (const [type, { good, stranger, bad }] of Object.entries(answers)) {
    const where = `${origin} ${type}`;
    check(good.status === 200 && good.type.startsWith(type.replace('+proto', '')), `${where}: ${JSON.stringify(good)}`);
    check(good.messages.length === 1 && good.messages[0].includes(task.nodeId), `${where}: no node info: ${JSON.stringify(good)}`);
    check(good.trailers.length === 1 && /^grpc-status: ?0\r?$/m.test(good.trailers[0]), `${where}: no trailers: ${JSON.stringify(good)}`);
    checkError(stranger, 16, 'missing or invalid x-auth header', where);
    checkError(bad, 3, 'invoice', where);
  }
  check(rest.node_id === task.nodeId, `${origin}: ${JSON.stringify(rest)}`);
  check(connect.node_id === task.nodeId, `${origin}: ${JSON.stringify(connect)}`);
  check(feed === 200 && /^(retry|id|event|data|:)/.test(first), `${origin}: ${feed} ${first}`);
}

// The status of a call without an answer is in the headers, which the page must be able to read, or in trailers.
function checkError(answer, code, text, where) {
  const told = [...answer.headers, ...answer.trailers].join('\n');
  check(answer.messages.length === 0, `${where}: ${JSON.stringify(answer)}`);
  check(new RegExp(`grpc-status: ?${code}\\b`).test(told), `${where}: no code ${code}: ${told}`);
  check(decodeURIComponent(told).includes(text), `${where}: not "${text}": ${told}`);
}

const servers = task.ports.map((port) => http.createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>A shop</title>');
}).listen(port, '127.0.0.1'));
const browser = await launch(task.chromium);
try {
  for (const [origin, isAllowed] of task.origins) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(origin);
    if (isAllowed) checkCalls(await page.evaluate(calls, task), origin);
    else {
      const outcomes = await page.evaluate(refused, task);
      check(outcomes.every((outcome) => outcome === 'refused'), `${origin}: ${outcomes}`);
    }
    await context.close();
    console.log(JSON.stringify({ origin }));
  }
} finally {
  await browser.close();
  servers.forEach((server) => server.close());
}
