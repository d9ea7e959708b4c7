# To be sourced by run: the contestants. Each has functions:
#   start_X      starts it with an empty store. Adds its processes to pids, and sets url, event_path and, unless the defaults hold,
#                api_key and webhook_secret
#   processed_X  prints how many events are processed
#   idle_X       succeeds if nothing waits to be processed. $1: how many events were accepted
#   stored_X     prints how many events are in the store, where this is not what processed_X prints
# and name_X, stores_X, promise_X for the table, needs_X: the commands that it needs, and build_X.
#
# shellcheck disable=SC2034,SC2154 # Variables are shared with run.

all=(conduit_sqlite conduit_postgres express fastapi row_per_request restate)

name_conduit_sqlite="Conduit"
stores_conduit_sqlite="SQLite"
promise_conduit_sqlite="the event is on the disk (\`fdatasync\`)"
needs_conduit_sqlite="cargo"

name_conduit_postgres="Conduit"
stores_conduit_postgres="PostgreSQL, Redis"
promise_conduit_postgres=$promise_conduit_sqlite
needs_conduit_postgres="cargo postgres redis"

name_express="Express, BullMQ"
stores_express="Redis, PostgreSQL"
promise_express=$redis_promise
needs_express="npm postgres redis"

name_fastapi="FastAPI, Redis stream"
stores_fastapi="Redis, PostgreSQL"
promise_fastapi=$redis_promise
needs_fastapi="venv postgres redis"

name_row_per_request="actix-web, sqlx"
stores_row_per_request="PostgreSQL"
promise_row_per_request="the event is processed and on the disk (\`synchronous_commit = on\`)"
needs_row_per_request="cargo postgres"

name_restate="Restate"
stores_restate="Restate"
promise_restate="202: the event is on the disk (\`fsync\` of the log), but its credentials are not checked yet"
needs_restate="npm cargo"

# Succeeds if a command can be used, or a tool that is more than a command.
has() {
    case $1 in
        venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        npm) command -v npm >/dev/null && command -v node >/dev/null ;;
        postgres) [ -n "$(find /usr/lib/postgresql -maxdepth 3 -name initdb 2>/dev/null)" ] && command -v psql >/dev/null ;;
        redis) command -v redis-server >/dev/null && command -v redis-cli >/dev/null ;;
        cargo) command -v cargo >/dev/null || { [ -n "${CONDUIT:-}" ] && [ "$contestant" != "${contestant#conduit}" ]; } ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

build_conduit_sqlite() {
    [ -n "${CONDUIT:-}" ] || (cd "$root" && cargo build --profile dist --quiet --locked --bin conduit)
    conduit=${CONDUIT:-$target/dist/conduit}
}
build_conduit_postgres() { build_conduit_sqlite; }
# Installs the packages of the lock file, without scripts of theirs.
build_npm() { # NAME
    mkdir -p "$built/$1"
    cp "$here/$1"/package*.json "$built/$1/"
    cmp -s "$built/$1/package-lock.json" "$built/$1/installed" && return
    (cd "$built/$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null && cp package-lock.json installed)
}
build_express() {
    build_npm express
    cp "$here"/express/*.mjs "$built/express/"
}
build_fastapi() {
    local venv=$built/fastapi
    cmp -s "$here/fastapi/requirements.txt" "$venv/installed" && return
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r "$here/fastapi/requirements.txt"
    cp "$here/fastapi/requirements.txt" "$venv/installed"
}
build_crate() { (cd "$here/$1" && CARGO_TARGET_DIR=$built/cargo cargo build --release --quiet --locked); }
build_row_per_request() { build_crate row-per-request; }
build_restate() {
    build_crate restate
    build_npm restate
    restate_server=$(find "$built"/restate/node_modules/@restatedev/restate-server-*/bin -name restate-server)
}

# Waits until an address answers. PID URL
answers() {
    until curl -so /dev/null "$2"; do kill -0 "$1"; sleep 0.1; done
}

# PostgreSQL and Redis with an empty store, and the tables.
start_stores() {
    start_servers "$turn/servers" --appendonly yes --appendfsync "$FSYNC"
    pids+=("$postgres_pid" "$redis_pid")
    export DATABASE_URL=$CONDUIT_DATABASE_URL REDIS_URL=$CONDUIT_REDIS_URL RECORD_SQL=$here/record.sql
    [ "${1:-}" = bare ] || psql -q -d "$DATABASE_URL" -f "$here/schema.sql"
}
events_in_postgres() { psql -qAt -d "$DATABASE_URL" -c 'SELECT count(*) FROM events'; }

# Starts Conduit, and sets it up as an operator does.
start_conduit() {
    local controller integration port auth="Authorization: Bearer benchmark-operator-token"
    port=$(free_port)
    url=http://127.0.0.1:$port
    CONDUIT_DATA_DIR=$turn/data CONDUIT_LISTEN=127.0.0.1:$port CONDUIT_LOG=warn \
        CONDUIT_ADMIN_TOKEN=benchmark-operator-token "$conduit" serve 2>"$turn/log" &
    pids+=($!)
    answers $! "$url/livez"
    controller=$(curl -sf -H "$auth" -d '{"name":"Shop","did":"did:web:shop.example"}' "$url/api/v1/controllers")
    integration=$(curl -sf -H "$auth" "$url/api/v1/integrations/custom?did=did:web:shop.example" -d '{
  "name":"Shop","defaultRegion":"DE","dedup":{"key":"body"},"events":[{"name":"account_created","purpose":"Registration",
  "legalBasis":"contract","fields":[{"path":"email","required":true,"pii":"user.contact.email"},
  {"path":"phone","pii":"user.contact.phone_number"},{"path":"customer.name","pii":"user.name"},{"path":"order"}]}]}')
    event_path=$(field webhookUrl <<<"$integration")
    event_path=/${event_path#http://*/}
    api_key=$(field webhookAuth <<<"$integration")
    webhook_secret=$(field webhookSecret <<<"$controller")
}
start_conduit_sqlite() {
    unset CONDUIT_DATABASE_URL CONDUIT_REDIS_URL
    start_conduit
}
start_conduit_postgres() {
    start_stores bare
    start_conduit
}
conduit_stats() { curl -sf -H "Authorization: Bearer benchmark-operator-token" "$url/api/v1/stats" | field "$1"; }
processed_conduit_sqlite() { conduit_stats processed; }
processed_conduit_postgres() { conduit_stats processed; }
idle_conduit_sqlite() { [ "$(conduit_stats inFlight)" = 0 ]; }
idle_conduit_postgres() { idle_conduit_sqlite; }

start_express() {
    local port
    start_stores
    port=$(free_port)
    url=http://127.0.0.1:$port
    NODE_ENV=production PORT=$port node "$built/express/server.mjs" 2>"$turn/log" &
    pids+=($!)
    NODE_ENV=production node "$built/express/worker.mjs" 2>"$turn/worker-log" &
    pids+=($!)
    answers $! "$url/"
}
processed_express() { events_in_postgres; }
idle_express() {
    # Jobs that wait, are being processed, or wait for their next try.
    [ "$("${redis_cli[@]}" eval "return redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2]) + redis.call('ZCARD', KEYS[3])" \
        3 bull:events:wait bull:events:active bull:events:delayed)" = 0 ]
}

start_fastapi() {
    local port
    start_stores
    port=$(free_port)
    url=http://127.0.0.1:$port
    (cd "$here/fastapi" && exec env PYTHONDONTWRITEBYTECODE=1 "$built/fastapi/bin/uvicorn" server:app --host 127.0.0.1 --port "$port" \
        --workers "$UVICORN_WORKERS" --loop uvloop --http httptools --no-access-log --log-level warning) 2>"$turn/log" &
    pids+=($!)
    "$built/fastapi/bin/python" "$here/fastapi/worker.py" 2>"$turn/worker-log" &
    pids+=($!)
    answers $! "$url/"
}
processed_fastapi() { events_in_postgres; }
idle_fastapi() { [ "$("${redis_cli[@]}" xlen events)" = 0 ]; }

start_row_per_request() {
    local port
    start_stores
    port=$(free_port)
    url=http://127.0.0.1:$port
    PORT=$port "$built/cargo/release/row-per-request" 2>"$turn/log" &
    pids+=($!)
    answers $! "$url/"
}
processed_row_per_request() { events_in_postgres; }
idle_row_per_request() { true; }

start_restate() {
    local port ingress
    event_path=/Person/{person}/record/send
    ingress=$(free_port) restate_admin=http://127.0.0.1:$(free_port) port=$(free_port) restate_count=$(free_port)
    url=http://127.0.0.1:$ingress
    HANDLER_PORT=$port COUNT_PORT=$restate_count "$built/cargo/release/restate-handler" 2>"$turn/handler-log" &
    pids+=($!)
    TMPDIR=$turn DO_NOT_TRACK=1 RESTATE_DISABLE_TELEMETRY=true RESTATE_LOG_FILTER=warn RESTATE_DEFAULT_NUM_PARTITIONS=$RESTATE_PARTITIONS \
        RESTATE_INGRESS__BIND_PORT=$ingress RESTATE_ADMIN__BIND_PORT=${restate_admin##*:} \
        "$restate_server" --no-logo --listen-mode tcp --bind-ip 127.0.0.1 \
        --bind-port "$(free_port)" --base-dir "$turn/restate" --node-name compare >"$turn/log" 2>&1 &
    pids+=($!)
    answers $! "$restate_admin/health"
    until curl -sf -o /dev/null -H 'Content-Type: application/json' "$restate_admin/deployments" \
        -d "{\"uri\":\"http://127.0.0.1:$port\"}"; do kill -0 "${pids[@]}"; sleep 0.2; done
    until curl -sf -o /dev/null "$url/restate/health" && stored_restate >/dev/null 2>&1; do kill -0 "${pids[@]}"; sleep 0.2; done
}
processed_restate() {
    local count
    read -r count <"/dev/tcp/127.0.0.1/$restate_count"
    echo "$count"
}
idle_restate() { [ "$(processed_restate)" -ge "$1" ]; }
stored_restate() {
    curl -s -H 'Content-Type: application/json' -H 'Accept: application/json' "$restate_admin/query" \
        -d "{\"query\":\"SELECT count(*) AS n FROM state WHERE key = 'links'\"}" | tee "$turn/query-log" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["rows"][0]["n"])'
}
