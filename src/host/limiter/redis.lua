#!lua
-- Counts one event and answers 0, unless there were as many as there may be: then nothing, and when the window ends.
--
-- KEYS: the counter.
-- ARGV: the time, the length of a window, how many events it may see, for how much longer it is remembered.
local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'ends', 'events')
local ends, events = tonumber(kept[1] or 0), tonumber(kept[2] or 0)
if ends <= now then
    ends, events = now + window, 0
end
if events >= limit then
    return ends
end
redis.call('HSET', KEYS[1], 'ends', ends, 'events', events + 1)
redis.call('EXPIRE', KEYS[1], window + ARGV[4])
return 0
