-- Claims of one controller, in order, all or nothing seen by others: Redis runs a script alone.
--
-- KEYS[1]  the controller's mark: conduit:{<controller id>}:e. It is as old as the controller's claims: where it is missing,
--          or another one, claims were lost.
-- KEYS[i]  the key of claim i - 1: conduit:{<controller id>}:d:<dedup key, 16 bytes>. The braces put all keys of a
--          controller into one slot, as a cluster wants of a script. Keys may occur more than once.
-- ARGV[1]  "claim": decide. "keep": these were first elsewhere; only write them down.
-- ARGV[2]  milliseconds for which a claim may still be asked for behind its window: the largest backlog.
-- ARGV[3]  claims held for one key, at most; the oldest go.
-- ARGV[4]  the claims, 20 bytes each: event id (16; its first 6 bytes are the receive time in milliseconds, most
--          significant byte first), window in seconds (4, likewise).
-- ARGV[5]  the mark that must be there, 16 bytes; empty: whatever is there, or a new one.
-- ARGV[6]  the new one.
-- ARGV[7]  milliseconds that a mark lives. It lives for half of them at least from here on.
--
-- A key's value is its claims, 20 bytes each as above. There are several where the same key was first again.
--
-- Returns the mark, and 16 bytes a claim: zeros if it is first (now, or since an earlier run), else the id of the event
-- that was. Returns "lost", and does nothing, if the mark is not the one that must be there.

local FIRST = string.rep("\0", 16)
local decides, backlog, most, packed = ARGV[1] == "claim", tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local expected, fresh, lifetime = ARGV[5], ARGV[6], tonumber(ARGV[7])
local byte, sub = string.byte, string.sub

local function unpack_claim(text, from)
    local a, b, c, d, e, f = byte(text, from, from + 5)
    local w, x, y, z = byte(text, from + 16, from + 19)
    return {
        event = sub(text, from, from + 15),
        received = ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f,
        window = (((w * 256 + x) * 256 + y) * 256 + z) * 1000,
        text = sub(text, from, from + 19),
    }
end

local values, held, changed = redis.call("MGET", unpack(KEYS)), {}, {}
local mark = values[1]
if expected ~= "" and mark ~= expected then
    return "lost"
end
if not mark then
    mark = fresh
    redis.call("SET", KEYS[1], mark, "PX", lifetime)
elseif redis.call("PTTL", KEYS[1]) < lifetime / 2 then
    redis.call("PEXPIRE", KEYS[1], lifetime)
end

for i = 2, #KEYS do
    local key = KEYS[i]
    if not held[key] then
        local claims, value = {}, values[i]
        if value then
            for from = 1, #value, 20 do
                claims[#claims + 1] = unpack_claim(value, from)
            end
        end
        held[key] = claims
    end
end

-- Whether a's event id is smaller. Lua's own comparison of texts depends on the server's locale.
local function is_before(a, b)
    if a.received ~= b.received then
        return a.received < b.received
    end
    for i = 7, 16 do
        local x, y = byte(a.event, i), byte(b.event, i)
        if x ~= y then
            return x < y
        end
    end
    return false
end

-- The event's own claim if it holds one; else the first in whose window it falls; nil if there is none.
local function holder(claims, claim)
    local first = nil
    for _, other in ipairs(claims) do
        if other.event == claim.event then
            return other
        end
        local covers = decides and math.abs(other.received - claim.received) < other.window
        if covers and (not first or is_before(other, first)) then
            first = other
        end
    end
    return first
end

local verdicts = {}
for i = 2, #KEYS do
    local key = KEYS[i]
    local claims, claim = held[key], unpack_claim(packed, (i - 2) * 20 + 1)
    local first, verdict = holder(claims, claim), FIRST
    if not first then
        claims[#claims + 1] = claim
        changed[key] = claims
    elseif first.event ~= claim.event then
        verdict = first.event
    end
    verdicts[i - 1] = verdict
end

for key, claims in pairs(changed) do
    table.sort(claims, is_before)
    local newest, longest, texts = claims[#claims].received, 0, {}
    for i = math.max(1, #claims - most + 1), #claims do
        local claim = claims[i]
        if claim.received + claim.window + backlog > newest then
            texts[#texts + 1] = claim.text
            longest = math.max(longest, claim.window)
        end
    end
    redis.call("SET", key, table.concat(texts), "PX", string.format("%.0f", longest + backlog))
end
return mark .. table.concat(verdicts)
