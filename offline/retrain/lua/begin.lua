#!lua
-- Accept a request, or say why not. Every check comes before the first write.
--
-- KEYS  1 lease  2 run in progress  3 accepted by bundle  4 ended ids  5 status stream, and unless that is
--       in another slot of a cluster (then the caller looks and acknowledges)  6 request stream
-- ARGV  token, request stream, group, entry, id, bundle, accepted status, cooldown in ms, '1' to ignore it,
--       status maxlen

local token, stream, group, entry, id, bundle, payload = unpack(ARGV, 1, 7)
local cooldown_ms, force, maxlen = tonumber(ARGV[8]), ARGV[9] == '1', ARGV[10]

local owner = redis.call('GET', KEYS[1])
if owner ~= token then
  return { 'FENCED', owner or '' }
end
local wanted = { [2] = 'hash', [3] = 'hash', [4] = 'zset', [5] = 'stream', [6] = 'stream' }
for at = 2, #KEYS do
  local kind = wanted[at]
  local found = redis.call('TYPE', KEYS[at]).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGTYPE expected ' .. kind .. ' at ' .. KEYS[at] .. ', found ' .. found ..
      '; nothing was written')
  end
end
if KEYS[6] and #redis.call('XPENDING', KEYS[6], group, entry, entry, 1) == 0 then
  return { 'GONE', '' }
end

local run = redis.call('HMGET', KEYS[2], 'id', 'stream', 'entry')
if run[1] == id and run[2] == stream and run[3] == entry then
  return { 'RESUMED', tostring(redis.call('HINCRBY', KEYS[2], 'starts', 1)) }
end
if redis.call('ZSCORE', KEYS[4], id) then
  if KEYS[6] then
    redis.call('XACK', KEYS[6], group, entry)
  end
  return { 'ENDED', '' }
end

local clock = redis.call('TIME')
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local last = redis.call('HGET', KEYS[3], bundle)
local last_ms = last and tonumber(string.match(last, '^(%d+) '))
if last_ms and not force and now_ms - last_ms < cooldown_ms then
  return { 'COOLDOWN', last }
end

redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'id', id, 'stream', stream, 'entry', entry, 'bundle', bundle, 'progress', '0',
  'starts', '1')
redis.call('HSET', KEYS[3], bundle, string.format('%.0f', now_ms) .. ' ' .. id)
redis.call('XADD', KEYS[5], 'MAXLEN', '~', maxlen, '*', 'data', payload)
return { 'STARTED', '1' }
