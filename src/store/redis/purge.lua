-- Deletes records that may be forgotten, longest due first, with their terms; answers how many. Who asks may have a clock that
-- is ahead: what is not due by this server's own stays.
--
-- KEYS: the retention.
-- ARGV: how records begin, how terms begin, before when they are due, how many at most.
local before = math.min(tonumber(ARGV[3]), tonumber(redis.call('TIME')[1]))
local below = string.format('(%.0f', before)
local due = redis.call('ZRANGE', KEYS[1], '-inf', below, 'BYSCORE', 'LIMIT', 0, ARGV[4])
for _, name in ipairs(due) do
    local record = ARGV[1] .. name
    for _, term in ipairs(terms_of(record)) do
        redis.call('ZREM', ARGV[2] .. term, name)
    end
    redis.call('DEL', record)
    redis.call('ZREM', KEYS[1], name)
end
return #due
