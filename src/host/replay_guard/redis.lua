#!lua
-- Claims a marker; answers 1, or 0 if it had been claimed before.
--
-- KEYS: the marker.
-- ARGV: until when it must be remembered, for how much longer it is, the end of all times.
local now = tonumber(redis.call('TIME')[1])
local lapses = math.min(math.max(tonumber(ARGV[1]), now) + tonumber(ARGV[2]), tonumber(ARGV[3]))
return redis.call('SET', KEYS[1], '', 'NX', 'EXAT', lapses) and 1 or 0
