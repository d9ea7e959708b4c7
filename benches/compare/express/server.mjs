// Accepts events: checks the credentials and the envelope, adds a job to BullMQ's queue, and answers 200 with its id.
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';

const { REDIS_URL, PORT, API_KEY, WEBHOOK_SECRET } = process.env;
const digest = (text) => createHash('sha256').update(text ?? '').digest();
const apiKey = digest(API_KEY);
const webhookSecret = digest(WEBHOOK_SECRET);

const queue = new Queue('events', {
  connection: new Redis(REDIS_URL),
  defaultJobOptions: {
    attempts: 5,
    backoff: { type: 'exponential', delay: 500 },
    removeOnComplete: true,
    removeOnFail: 10_000,
  },
});

const app = express();
app.disable('x-powered-by');
app.disable('etag');

function authenticate(request, response, next) {
  const key = timingSafeEqual(digest(request.get('authorization')), apiKey);
  const secret = timingSafeEqual(digest(request.get('x-webhook-secret')), webhookSecret);
  if (key && secret) return next();
  response.status(401).json({ error: 'wrong credentials' });
}

app.post('/events', authenticate, express.json({ limit: '64kb' }), async (request, response) => {
  const { event, triggeredAt } = request.body ?? {};
  if (event !== 'account_created' || Number.isNaN(Date.parse(triggeredAt))) {
    return response.status(400).json({ error: 'no such event' });
  }
  const id = randomUUID();
  await queue.add(event, { id, body: request.body });
  response.json({ id });
});

app.listen(Number(PORT), '127.0.0.1');
