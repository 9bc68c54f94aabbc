-- Answers the name that it stopped at, if it did before the end, and the names of the records that a term lists. Those whose
-- records have lapsed it takes off the term.
--
-- KEYS: the term.
-- ARGV: how records begin, after which name, how many names to look at.
local names = redis.call('ZRANGE', KEYS[1], ARGV[2], '+', 'BYLEX', 'LIMIT', 0, ARGV[3])
local present = {}
for _, name in ipairs(names) do
    if redis.call('EXISTS', ARGV[1] .. name) == 1 then
        present[#present + 1] = name
    else
        redis.call('ZREM', KEYS[1], name)
    end
end
return { #names == tonumber(ARGV[3]) and names[#names], present }
