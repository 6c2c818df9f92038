#!lua
-- End a request: its final status and its acknowledgement, both or neither, and one final status per id.
--
-- KEYS  1 lease  2 run in progress  3 ended ids  4 status stream, and unless that is in another slot of a
--       cluster (then the caller looks before and acknowledges after)  5 request stream
-- ARGV  token, group, entry, id, final status, status maxlen, ended ids kept

local group, entry, id = ARGV[2], ARGV[3], ARGV[4]
local owner = redis.call('GET', KEYS[1])
if owner ~= ARGV[1] then
  return { 'FENCED', owner or '' }
end
local wanted = { [2] = 'hash', [3] = 'zset', [4] = 'stream', [5] = 'stream' }
for at = 2, #KEYS do
  local kind = wanted[at]
  local found = redis.call('TYPE', KEYS[at]).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGTYPE expected ' .. kind .. ' at ' .. KEYS[at] .. ', found ' .. found ..
      '; nothing was written')
  end
end
if KEYS[5] and #redis.call('XPENDING', KEYS[5], group, entry, entry, 1) == 0 then
  return { 'GONE', '' }
end
local ended = redis.call('ZSCORE', KEYS[3], id)
if KEYS[5] then
  redis.call('XACK', KEYS[5], group, entry)
end
if ended then
  return { 'ENDED', '' }
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', 'data', ARGV[5])
redis.call('ZADD', KEYS[3], redis.call('TIME')[1], id)
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[7]))
local run = redis.call('HMGET', KEYS[2], 'id', 'entry')
if run[1] == id and run[2] == entry then
  redis.call('DEL', KEYS[2])
end
return { 'OK', '' }
