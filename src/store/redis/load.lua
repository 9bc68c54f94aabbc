-- Answers what is kept of each record.
--
-- KEYS: the records.
local found = {}
for place, record in ipairs(KEYS) do
    found[place] = redis.call('GET', record)
end
return found
