-- Answers the layout of what is kept here; of nothing, it becomes the one that this release makes.
--
-- KEYS: the layout.
-- ARGV: the layout that this release makes.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
