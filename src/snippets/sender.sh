#!/bin/sh
# Sends one event. Set CONDUIT_API_KEY and CONDUIT_WEBHOOK_SECRET first. Ends with 0 once it is accepted.
set -eu
: "${CONDUIT_API_KEY:?is not set}" "${CONDUIT_WEBHOOK_SECRET:?is not set}"
url={URL}

# Neither the credentials nor the event are arguments, which other users could see. curl tries again by itself, when and
# as long after as the answer says, and after 400 and 401 not at all.
curl --silent --show-error --globoff --fail-with-body --connect-timeout 5 --max-time 30 \
  --retry 5 --retry-connrefused --header 'Content-Type: application/json' \
  --header @/dev/fd/3 --data-binary @- "$url" 3<<HEADERS <<'EVENT'
Authorization: Bearer ${CONDUIT_API_KEY#Bearer }
x-webhook-secret: $CONDUIT_WEBHOOK_SECRET
HEADERS
{EVENT}
EVENT
echo
