// Sends events for benches/http2: DIRECTORY alone|together 1|2 SECONDS SEED. Prints milliseconds for each, or events a second.
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';

const [dir, how, version, seconds, seed] = process.argv.slice(2);
const read = (name) => readFileSync(`${dir}/${name}`, 'utf8');
const integration = JSON.parse(read('integration'));
const url = new URL(integration.webhookUrl);
const ca = read('cert.pem');
const headers = {
  authorization: integration.webhookAuth,
  'x-webhook-secret': JSON.parse(read('controller')).webhookSecret,
  'content-type': 'application/json',
};
let sent = 0;
const event = () =>
  JSON.stringify({
    event: 'account_created',
    triggeredAt: '2026-04-06T10:30:00Z',
    email: `customer${how}${version}${seed}x${sent++}@shop.example`,
    note: 'x'.repeat(300),
  });

/** Answers a function that sends one event and waits for its 200. */
function sender(session) {
  const path = url.pathname + url.search;
  const finish = (stream, status, done, fail) => {
    stream.on('data', () => {});
    stream.on('end', () => (status() === 200 ? done() : fail(new Error(`status ${status()}`))));
    stream.on('error', fail);
  };
  return (body) =>
    new Promise((done, fail) => {
      const length = { 'content-length': Buffer.byteLength(body) };
      if (version === '2') {
        const stream = session.request({ ':method': 'POST', ':path': path, ...headers, ...length });
        let status;
        stream.on('response', (head) => (status = head[':status']));
        finish(stream, () => status, done, fail);
        stream.end(body);
      } else {
        const options = { method: 'POST', agent: session, headers: { ...headers, ...length } };
        const request = https.request(url, options, (answer) => finish(answer, () => answer.statusCode, done, fail));
        request.on('error', fail);
        request.end(body);
      }
    });
}

const lanes = how === 'alone' ? 1 : 64;
const connections = version === '2' ? Math.min(lanes, 4) : 1;
const sessions = Array.from({ length: connections }, () =>
  version === '2' ? http2.connect(url.origin, { ca }) : new https.Agent({ keepAlive: true, maxSockets: lanes, ca }),
);
const senders = Array.from({ length: lanes }, (_, lane) => sender(sessions[lane % connections]));
// Handshakes are not what is measured.
await Promise.all(senders.map((send) => send(event())));
sent = 0;
const begin = performance.now();
const end = begin + Number(seconds) * 1000;
await Promise.all(
  senders.map(async (send) => {
    while (performance.now() < end) await send(event());
  }),
);
const took = performance.now() - begin;
console.log(how === 'alone' ? took / sent : (sent * 1000) / took);
sessions.forEach((session) => (version === '2' ? session.close() : session.destroy()));
