"""Sends one event. Set CONDUIT_API_KEY and CONDUIT_WEBHOOK_SECRET first. Ends with 0 once it is accepted."""
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = {URL}

EVENT = {EVENT}

TRIES = 6
WORTH_ANOTHER_TRY = (429, 500, 502, 503, 504)


def credential(name):
    value = os.environ.get(name, "").strip()
    if not value:
        sys.exit(f"{name} is not set")
    return value


def send(event):
    """Answers with the receipt; raises RuntimeError if the event was not accepted."""
    key = credential("CONDUIT_API_KEY")
    headers = {
        "Authorization": key if key.startswith("Bearer ") else f"Bearer {key}",
        "x-webhook-secret": credential("CONDUIT_WEBHOOK_SECRET"),
        "Content-Type": "application/json",
    }
    body = json.dumps(event).encode()
    for attempt in range(1, TRIES + 1):
        wait = 2 ** (attempt - 1)
        request = urllib.request.Request(URL, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {error.read().decode(errors='replace')}"
            if error.code not in WORTH_ANOTHER_TRY:
                raise RuntimeError(problem) from error
            after = error.headers.get("Retry-After", "")
            wait = int(after) if after.isdecimal() else wait
        except (OSError, http.client.HTTPException) as error:
            problem = f"no answer: {error}"
        if attempt < TRIES:
            time.sleep(wait)
    raise RuntimeError(f"not accepted after {TRIES} tries: {problem}")


if __name__ == "__main__":
    try:
        print(json.dumps(send(EVENT)))
    except RuntimeError as error:
        sys.exit(str(error))
