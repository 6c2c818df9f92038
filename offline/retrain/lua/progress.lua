#!lua
-- Append a progress status, once and never backwards: a resumed run does not repeat what was said. A stage
-- may begin where the one before ended: its first status is told, being as far is enough.
--
-- KEYS  1 lease  2 run in progress  3 status stream
-- ARGV  token, id, progress, stage, status, status maxlen

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
local told = 'told:' .. ARGV[4]
local run = redis.call('HMGET', KEYS[2], 'id', 'progress', told)
if run[1] ~= ARGV[2] then
  return { 'GONE', run[1] or '' }
end
-- What moves does not count as a start without progress.
redis.call('HSET', KEYS[2], 'starts', '0')
local ahead = tonumber(ARGV[3]) - tonumber(run[2])
if ahead < 0 or (ahead == 0 and run[3]) then
  return { 'OLD', run[2] }
end
redis.call('HSET', KEYS[2], 'progress', ARGV[3], told, '1')
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', 'data', ARGV[5])
return { 'OK', '' }
