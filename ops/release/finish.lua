#!lua
-- The end of a change: its entry is written and its note removed together, or neither.
-- KEYS 1 the note of the pending change, 2 the stream `releases`; ARGV the change's id, the entry.
local note = redis.call('GET', KEYS[1])
if not note or cjson.decode(note).release.id ~= ARGV[1] then
  return 0
end
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return redis.error_reply('WRONGTYPE expected stream at ' .. KEYS[2] .. ', found ' .. kind ..
    '; nothing was written')
end
if ARGV[2] ~= '' then
  redis.call('XADD', KEYS[2], '*', 'data', ARGV[2])
end
redis.call('DEL', KEYS[1])
return 1
