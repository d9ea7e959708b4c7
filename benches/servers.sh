# To be sourced: PostgreSQL and Redis for a benchmark, empty, on free ports, in a directory that must not be there yet.
# They sync as they do in production. start_servers sets CONDUIT_DATABASE_URL and CONDUIT_REDIS_URL. Redis gets its further
# arguments.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_servers() { # DIR [REDIS-OPTION...]
    local dir=$1 as=() bin port
    shift
    mkdir -p "$dir/postgres"
    bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -1)
    # PostgreSQL does not run as root.
    if [ "$(id -u)" -eq 0 ]; then
        as=(setpriv --reuid postgres --regid postgres --clear-groups)
        chown postgres "$dir/postgres"
        chmod go+x "$dir" "$(dirname "$dir")"
    fi
    port=$(free_port)
    (cd / && "${as[@]}" "$bin/initdb" -D "$dir/postgres/data" -U conduit -A trust -E UTF8 --locale=C.UTF-8 >/dev/null)
    (cd / && exec "${as[@]}" "$bin/postgres" -D "$dir/postgres/data" -p "$port" -k "$dir/postgres" \
        -c listen_addresses=127.0.0.1 -c shared_buffers=512MB -c max_wal_size=4GB -c wal_compression=on \
        2>"$dir/postgres.log") & postgres_pid=$!
    until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do kill -0 $postgres_pid; sleep 0.1; done
    postgres_server=postgresql://conduit@127.0.0.1:$port
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --save '' --maxmemory-policy noeviction "$@" \
        >"$dir/redis.log" & redis_pid=$!
    redis_cli=(redis-cli -h 127.0.0.1 -p "$port")
    until [ "$("${redis_cli[@]}" ping 2>/dev/null)" = PONG ]; do kill -0 $redis_pid; sleep 0.1; done
    export CONDUIT_DATABASE_URL=$postgres_server/conduit CONDUIT_REDIS_URL=redis://127.0.0.1:$port
    empty_servers
}

empty_servers() {
    PGOPTIONS=-cclient_min_messages=warning psql -q -d "$postgres_server/postgres" -c 'DROP DATABASE IF EXISTS conduit WITH (FORCE)' -c 'CREATE DATABASE conduit'
    "${redis_cli[@]}" flushall >/dev/null
}

stop_servers() {
    [ -z "${postgres_pid:-}" ] || kill -INT $postgres_pid $redis_pid 2>/dev/null || true
    wait ${postgres_pid:-} ${redis_pid:-} 2>/dev/null || true
}
