-- Applies a batch whole and answers 1, or answers 0 and has done nothing.
--
-- KEYS: the note that would refuse it, the retention; each expected record; each deleted one; each written one and its terms.
-- ARGV: how terms begin, the batch, for how long a record is kept beyond its time, the end of all times;
--       how many are expected, the version of each; how many are deleted; how many are written, and of each until when it is
--       retained, what is kept of it and by how many terms it is listed.
local key, argument = 0, 0
local function next_key()
    key = key + 1
    return KEYS[key]
end
local function next_argument()
    argument = argument + 1
    return ARGV[argument]
end
local function next_number()
    return tonumber(next_argument())
end

local refused, retention = next_key(), next_key()
local term_prefix, batch, margin, never = next_argument(), next_argument(), next_number(), next_number()

-- First all is looked at and nothing written: what has been written when a script fails stays written.
if redis.call('EXISTS', refused) == 1 then
    return 0
end
for _ = 1, next_number() do
    if redis.call('GETRANGE', next_key(), 0, 15) ~= next_argument() then
        return 0
    end
end
local function drop_terms(record, kept, dropped)
    for _, name in ipairs(terms_of(record)) do
        local term = term_prefix .. name
        if not kept[term] then
            redis.call('ZCARD', term)
            dropped[#dropped + 1] = { term, record:sub(-33) }
        end
    end
end
local deleted, written, dropped = {}, {}, {}
for _ = 1, next_number() do
    local record = next_key()
    deleted[#deleted + 1] = record
    drop_terms(record, {}, dropped)
end
for _ = 1, next_number() do
    local put = { record = next_key(), retain_until = next_number(), value = next_argument(), terms = {} }
    local kept = {}
    for _ = 1, next_number() do
        local term = next_key()
        redis.call('ZCARD', term)
        put.terms[#put.terms + 1] = term
        kept[term] = true
    end
    written[#written + 1] = put
    drop_terms(put.record, kept, dropped)
end
redis.call('ZCARD', retention)
local now = tonumber(redis.call('TIME')[1])

-- From here on nothing can fail.
local function outlive(set, lapses)
    if redis.call('EXPIRETIME', set) < lapses then
        redis.call('EXPIREAT', set, lapses)
    end
end
for _, listed in ipairs(dropped) do
    redis.call('ZREM', listed[1], listed[2])
end
for _, record in ipairs(deleted) do
    redis.call('DEL', record)
    redis.call('ZREM', retention, record:sub(-33))
end
for _, put in ipairs(written) do
    local name = put.record:sub(-33)
    local lapses = math.min(math.max(put.retain_until, now) + margin, never)
    redis.call('SET', put.record, put.value, 'EXAT', lapses)
    redis.call('ZADD', retention, put.retain_until, name)
    outlive(retention, lapses)
    for _, term in ipairs(put.terms) do
        redis.call('ZADD', term, 0, name)
        outlive(term, lapses)
    end
end
return 1
