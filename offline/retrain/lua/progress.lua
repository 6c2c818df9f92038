#!lua
-- Append a progress status, once and never backwards: a resumed run does not repeat what was said.
--
-- KEYS  1 lease  2 run in progress  3 status stream
-- ARGV  token, id, progress, status, status maxlen

local owner = redis.call('GET', KEYS[1])
if owner ~= ARGV[1] then
  return { 'FENCED', owner or '' }
end
for at, kind in pairs({ [2] = 'hash', [3] = 'stream' }) do
  local found = redis.call('TYPE', KEYS[at]).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGTYPE expected ' .. kind .. ' at ' .. KEYS[at] .. ', found ' .. found ..
      '; nothing was written')
  end
end
local run = redis.call('HMGET', KEYS[2], 'id', 'progress')
if run[1] ~= ARGV[2] then
  return { 'GONE', run[1] or '' }
end
-- What moves does not count as a start without progress.
redis.call('HSET', KEYS[2], 'starts', '0')
if tonumber(ARGV[3]) <= tonumber(run[2]) then
  return { 'OLD', run[2] }
end
redis.call('HSET', KEYS[2], 'progress', ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'data', ARGV[4])
return { 'OK', '' }
