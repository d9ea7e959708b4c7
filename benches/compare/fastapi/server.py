"""Accepts events: checks the credentials and the envelope, adds the body to a stream of Redis, and answers 200."""

import os
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Literal
from uuid import uuid4

import redis.asyncio as redis
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, ValidationError

API_KEY = sha256(os.environ["API_KEY"].encode()).digest()
WEBHOOK_SECRET = sha256(os.environ["WEBHOOK_SECRET"].encode()).digest()


class Envelope(BaseModel):
    event: Literal["account_created"]
    triggeredAt: datetime


@asynccontextmanager
async def lifespan(app):
    # A request waits for a connection, and is not refused for want of one.
    pool = redis.BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=64, timeout=None)
    app.state.redis = redis.Redis.from_pool(pool)
    yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan, openapi_url=None)


async def authenticate(
    authorization: Annotated[str, Header()] = "",
    x_webhook_secret: Annotated[str, Header()] = "",
):
    key = compare_digest(sha256(authorization.encode()).digest(), API_KEY)
    secret = compare_digest(sha256(x_webhook_secret.encode()).digest(), WEBHOOK_SECRET)
    if not (key and secret):
        raise HTTPException(401, "wrong credentials")


@app.post("/events", dependencies=[Depends(authenticate)])
async def receive(request: Request):
    body = await request.body()
    try:
        Envelope.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(400, error.errors(include_url=False, include_input=False)) from error
    event_id = str(uuid4())
    await request.app.state.redis.xadd("events", {"id": event_id, "body": body})
    return {"id": event_id}
