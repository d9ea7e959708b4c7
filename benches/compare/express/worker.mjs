// Processes the jobs: validates, drops repeats by SET NX in Redis, hashes the identifiers, and records the event in PostgreSQL.
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UnrecoverableError, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';

const { REDIS_URL, DATABASE_URL, LINK_KEY, RECORD_SQL } = process.env;
const record = readFileSync(RECORD_SQL, 'utf8');
const redis = new Redis(REDIS_URL);
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });

function links({ email, phone, customer }) {
  const hashes = [];
  const categories = [];
  const add = (category, value) => {
    hashes.push(createHmac('sha256', LINK_KEY).update(`${category}\0${value}`).digest());
    categories.push(category);
  };
  add('email', email.trim().toLowerCase());
  if (typeof phone === 'string') add('phone', phone.replace(/[^+0-9]/g, ''));
  if (typeof customer?.name === 'string') add('name', customer.name.trim().toLowerCase());
  return { hashes, categories };
}

async function work(job) {
  const { id, body } = job.data;
  if (typeof body.email !== 'string' || !body.email.includes('@')) throw new UnrecoverableError('email is required');
  const key = `seen:${createHash('sha256').update(JSON.stringify(body)).digest('base64')}`;
  // A retry finds its own id.
  const claimed = await redis.set(key, id, 'EX', 60, 'NX', 'GET');
  if (claimed !== null && claimed !== id) return;
  const { hashes, categories } = links(body);
  await pool.query({
    name: 'record',
    text: record,
    values: [id, hashes, categories, randomUUID(), body.event, body.triggeredAt],
  });
}

const worker = new Worker('events', work, {
  connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }),
  concurrency: 100,
});
worker.on('error', (error) => console.error(error));
worker.on('failed', (job, error) => console.error(job?.id, error));
process.on('SIGTERM', () => worker.close().then(() => process.exit(0)));
