-- What is kept of a record: its version (16 bytes), how many terms list it (2 bytes), their names (33 bytes each), its body.
-- Where there is no record, there are no terms.
local function terms_of(record)
    local count = redis.call('GETRANGE', record, 16, 17)
    if #count < 2 then
        return {}
    end
    local high, low = count:byte(1, 2)
    local names = redis.call('GETRANGE', record, 18, 17 + 33 * (256 * high + low))
    local terms = {}
    for first = 1, #names, 33 do
        terms[#terms + 1] = names:sub(first, first + 32)
    end
    return terms
end

