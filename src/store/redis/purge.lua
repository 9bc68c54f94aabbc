-- Deletes records that may be forgotten, longest due first, with their terms; answers how many.
--
-- KEYS: the retention.
-- ARGV: how records begin, how terms begin, before when they are due, how many at most.
local due = redis.call('ZRANGE', KEYS[1], '-inf', '(' .. ARGV[3], 'BYSCORE', 'LIMIT', 0, ARGV[4])
for _, name in ipairs(due) do
    local record = ARGV[1] .. name
    for _, term in ipairs(terms_of(record)) do
        redis.call('ZREM', ARGV[2] .. term, name)
    end
    redis.call('DEL', record)
    redis.call('ZREM', KEYS[1], name)
end
return #due
