"""Processes the stream: validates, drops repeats by SET NX in Redis, hashes the identifiers, and records in PostgreSQL.

Four tasks of one process read batches, so that the processor works while another task waits for a server.
"""

import asyncio
import hmac
import os
import re
import sys
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import redis.asyncio as redis
import uvloop

LINK_KEY = os.environ["LINK_KEY"].encode()
RECORD = Path(os.environ["RECORD_SQL"]).read_text()
BATCH = 128
TASKS = 4


def links(event):
    identifiers = [("email", event["email"].strip().lower())]
    if isinstance(event.get("phone"), str):
        identifiers.append(("phone", re.sub(r"[^+0-9]", "", event["phone"])))
    customer = event.get("customer")
    if isinstance(customer, dict) and isinstance(customer.get("name"), str):
        identifiers.append(("name", customer["name"].strip().lower()))
    hashes = [hmac.digest(LINK_KEY, f"{category}\0{value}".encode(), "sha256") for category, value in identifiers]
    return hashes, [category for category, _ in identifiers]


def row(event_id, body):
    """Returns the parameters of the statement, or None if the event is not valid."""
    try:
        event = orjson.loads(body)
        if "@" not in event["email"]:
            return None
        hashes, categories = links(event)
        return UUID(event_id), hashes, categories, uuid4(), event["event"], datetime.fromisoformat(event["triggeredAt"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


async def record(pool, rows):
    """Records the rows in one transaction; if that fails, each in its own."""
    async with pool.acquire() as connection:
        try:
            await connection.executemany(RECORD, rows)
        except asyncpg.PostgresError:
            for parameters in rows:
                try:
                    await connection.execute(RECORD, *parameters)
                except asyncpg.DataError as error:
                    print(parameters[0], error, file=sys.stderr)


async def work(stream, pool, consumer):
    position = "0"  # First, entries that this consumer had read before a restart.
    while True:
        read = await stream.xreadgroup("workers", consumer, {"events": position}, count=BATCH, block=1000)
        entries = read[b"events"][0] if isinstance(read, dict) and read else (read[0][1] if read else [])
        if not entries:
            position = ">"
            continue
        async with stream.pipeline(transaction=False) as claims:
            for _, fields in entries:
                key = b"seen:" + sha256(fields[b"body"]).digest()
                claims.set(key, fields[b"id"], ex=60, nx=True, get=True)
            claimed = await claims.execute()
        # A retry finds its own id.
        fresh = [fields for (_, fields), before in zip(entries, claimed) if before in (None, fields[b"id"])]
        rows = [row(fields[b"id"].decode(), fields[b"body"]) for fields in fresh]
        await record(pool, [parameters for parameters in rows if parameters])
        ids = [entry for entry, _ in entries]
        async with stream.pipeline(transaction=True) as done:
            done.xack("events", "workers", *ids)
            done.xdel("events", *ids)
            await done.execute()


async def main():
    stream = redis.from_url(os.environ["REDIS_URL"])
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=TASKS, max_size=TASKS)
    try:
        await stream.xgroup_create("events", "workers", id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    async with asyncio.TaskGroup() as tasks:
        for number in range(TASKS):
            tasks.create_task(work(stream, pool, f"worker-{number}"))


uvloop.run(main())
