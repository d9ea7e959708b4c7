-- The same events for every contestant, for one thread of wrk. Each event has a new person with three identifiers, and a body
-- of about 550 bytes. FIRST is the number
-- before the first person's. EVENT_PATH may hold {person}; API_KEY and WEBHOOK_SECRET are the sender's credentials. REPORT is the
-- file for the figures.
local number, pad = tonumber(os.getenv("FIRST")), string.rep("x", 380)
local before, after = os.getenv("EVENT_PATH"):match("^(.*){person}(.*)$")
before = before or os.getenv("EVENT_PATH")
local body = '{"event":"account_created","triggeredAt":"2026-04-06T10:30:00Z","email":"customer%d@shop.example",'
  .. '"phone":"+49301%06d","customer":{"name":"Customer %d"},"order":"%d","note":"' .. pad .. '"}'
local headers = {
  ["Authorization"] = os.getenv("API_KEY"),
  ["X-Webhook-Secret"] = os.getenv("WEBHOOK_SECRET"),
  ["Content-Type"] = "application/json",
}

request = function()
  number = number + 1
  headers["Idempotency-Key"] = tostring(number)
  return wrk.format("POST", after and before .. number .. after or before, headers, body:format(number, number, number, number))
end

done = function(summary, latency)
  local errors = summary.errors
  local report = io.open(os.getenv("REPORT"), "w")
  report:write(string.format('{"requests":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
  report:close()
end
