-- When it returns, each batch was applied or never will be.
--
-- KEYS: the note about each batch.
-- ARGV: for how many seconds it is kept.
for _, note in ipairs(KEYS) do
    redis.call('SET', note, '', 'EX', ARGV[1])
end
return 1
