# To be sourced, with $conduit, $dir and $servers set: a server with empty storage, and the script that loads it. People are
# drawn at random from 200,000.
base=http://127.0.0.1:${port:-18080}
auth="Authorization: Bearer benchmark-operator-token"
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Starts a server anew.
begin() {
    [ -z "${pid:-}" ] || { kill $pid; wait $pid || true; rm -rf "$dir/data"; [ -z "$servers" ] || empty_servers; }
    CONDUIT_DATA_DIR=$dir/data CONDUIT_LISTEN=${base#http://} CONDUIT_LOG=warn \
        CONDUIT_ADMIN_TOKEN=benchmark-operator-token "$conduit" serve 2>"$dir/log" &
    pid=$!
    until curl -sf $base/livez >/dev/null; do kill -0 $pid; sleep 0.1; done
    tenant load "$dir/load.lua"
}

# Makes a controller with an integration, and a script for wrk. NAME FILE
tenant() {
    local controller integration
    controller=$(curl -sf -H "$auth" -d "{\"name\":\"$1\",\"did\":\"did:web:$1.example\"}" $base/api/v1/controllers)
    integration=$(curl -sf -H "$auth" "$base/api/v1/integrations/custom?did=did:web:$1.example" -d '{
  "name":"Shop","defaultRegion":"DE","dedup":{"key":"body"},"events":[{"name":"account_created","purpose":"Registration","legalBasis":"contract",
  "fields":[{"path":"email","required":true,"pii":"user.contact.email"},{"path":"phone","pii":"user.contact.phone_number"},
  {"path":"customer.name","pii":"user.name"},{"path":"order"}]}]}')
    cat >"$2" <<LUA
local n, pad = 0, string.rep("x", 300)
local path = string.gsub("$(echo "$integration" | field webhookUrl)", "^http://[^/]*", "")
wrk.method = "POST"
wrk.headers["Authorization"] = "$(echo "$integration" | field webhookAuth)"
wrk.headers["x-webhook-secret"] = "$(echo "$controller" | field webhookSecret)"
if os.getenv("CLOSE") then wrk.headers["Connection"] = "close" end
math.randomseed(tonumber(os.getenv("SEED")))
request = function()
  n = n + 1
  local p = math.random(1, 200000)
  return wrk.format(nil, path, nil, string.format('{"event":"account_created","triggeredAt":"2026-04-06T10:30:00Z","email":"customer%d@shop.example","phone":"+49301%06d","customer":{"name":"Customer %d"},"order":"%d","note":"%s"}', p, p, p, n, pad))
end
if os.getenv("PAUSE") then delay = function() return tonumber(os.getenv("PAUSE")) end end
LUA
}

seed=0
stats() { curl -sf -H "$auth" $base/api/v1/stats; }
settle() { until [ "$(stats | field inFlight)" = 0 ]; do sleep 0.1; done; }
