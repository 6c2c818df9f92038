#!lua
-- Raise the month's request once, whatever restarts or other retrainers there are.
--
-- KEYS  1 lease  2 last month seen, and unless that is in another slot of a cluster (then the caller has
--       appended it)  3 request stream
-- ARGV  token, month (2026-11), request ('' only notes the month), request maxlen

local owner = redis.call('GET', KEYS[1])
if owner ~= ARGV[1] then
  return { 'FENCED', owner or '' }
end
local found = KEYS[3] and redis.call('TYPE', KEYS[3]).ok or 'none'
if found ~= 'none' and found ~= 'stream' then
  return redis.error_reply('WRONGTYPE expected stream at ' .. KEYS[3] .. ', found ' .. found ..
    '; nothing was written')
end
local seen = redis.call('GET', KEYS[2])
if seen and seen >= ARGV[2] then
  return { 'SEEN', seen }
end
if KEYS[3] and ARGV[3] ~= '' then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'data', ARGV[3])
end
redis.call('SET', KEYS[2], ARGV[2])
return { 'OK', '' }
