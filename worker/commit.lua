#!lua
-- One step, one atomic commit: append the events, write the folded state, move the cursor, update the
-- newest records, acknowledge the bars. A failing script keeps the writes it has made, so every check
-- comes before the first write, and each answer but OK has written nothing (DUP acknowledges only).
-- The #!lua line makes the server itself refuse the script before it starts when it is out of memory,
-- read-only, or unable to persist.
--
-- KEYS  1 lease  2 cursor  3 state  4 bars  5… event streams, then latest hashes
-- ARGV  token, group, expected cursor ('' for none), expected bundle record ('' for any), new cursor
--       ('' when no bar is committed), new bundle record ('' for none),
--       number of entries, then the entry ids in order,
--       number of event streams, then for each: maximal length,
--       number of events,   then for each: event stream's index, payload,
--       number of state fields, then for each: field, bytes ('' removes the field),
--       number of latest,   then for each: latest hash's index, field, payload

local lease_key, cursor_key, state_key, bars_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local position = 0

local function take()
  position = position + 1
  return ARGV[position]
end

local function take_rows(width)
  local rows = {}
  for i = 1, tonumber(take()) do
    local row = {}
    for j = 1, width do
      row[j] = take()
    end
    rows[i] = row
  end
  return rows
end

local function pad(number)
  return string.rep('0', 20 - #number) .. number
end

-- Ids are two unsigned 64-bit numbers, beyond what Lua's doubles hold: compare them as padded text.
local function sortable(id)
  if id == '' then
    return ''
  end
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return pad(ms) .. pad(seq)
end

local token, group, expected, expected_bundle, cursor, bundle = take(), take(), take(), take(), take(), take()
local entries = take_rows(1)
local streams = take_rows(1)
local events = take_rows(2)
local fields = take_rows(2)
local latest = take_rows(3)

local owner = redis.call('GET', lease_key)
if owner ~= token then
  return { 'FENCED', owner or '' }
end

local function wrong_type(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted then
    return redis.error_reply('WRONGTYPE expected ' .. wanted .. ' at ' .. key .. ', found ' .. found ..
      '; nothing was written')
  end
end

local wanted = { [cursor_key] = 'hash', [state_key] = 'hash', [bars_key] = 'stream' }
for i = 5, #KEYS do
  wanted[KEYS[i]] = i <= 4 + #streams and 'stream' or 'hash'
end
for key, kind in pairs(wanted) do
  local problem = wrong_type(key, kind)
  if problem then
    return problem
  end
end

local function acknowledge()
  for _, entry in ipairs(entries) do
    redis.call('XACK', bars_key, group, entry[1])
  end
end

local known = redis.call('HGET', cursor_key, 'entry') or ''
if #entries > 0 and sortable(entries[#entries][1]) <= sortable(known) then
  acknowledge()
  return { 'DUP', known }
end
if known ~= expected or (#entries > 0 and sortable(entries[1][1]) <= sortable(known)) then
  return { 'STALE', known }
end
if expected_bundle ~= '' and redis.call('HGET', cursor_key, 'bundle') ~= expected_bundle then
  return { 'STALE', known }
end

if #entries > 0 then
  local first, last = entries[1][1], entries[#entries][1]
  local oldest = redis.call('XPENDING', bars_key, group, '-', '+', 1)[1]
  if oldest and sortable(oldest[1]) < sortable(first) then
    return { 'GAP', oldest[1] }
  end
  local ours, delivered = {}, 0
  for _, entry in ipairs(entries) do
    ours[entry[1]] = true
  end
  for _, pending in ipairs(redis.call('XPENDING', bars_key, group, first, last, #entries + 1)) do
    if not ours[pending[1]] then
      return { 'GAP', pending[1] }
    end
    delivered = delivered + 1
  end
  -- A server that lost its last second may never have handed out what a worker still holds: taking that
  -- into effect would skip every bar before it that is read, or sent, again.
  if delivered < #entries then
    return { 'STALE', known }
  end
end

-- A stream whose last id was set by hand to the largest there is takes no more entries.
for i = 5, 4 + #streams do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[i])
    for j = 1, #info, 2 do
      if info[j] == 'last-generated-id' and sortable(info[j + 1]) >= '18446744073709551615' then
        return redis.error_reply('ERR stream ' .. KEYS[i] .. ' is full: its last id is ' .. info[j + 1] ..
          '; nothing was written')
      end
    end
  end
end

for _, event in ipairs(events) do
  local stream = tonumber(event[1])
  redis.call('XADD', KEYS[4 + stream], 'MAXLEN', '~', streams[stream][1], '*', 'data', event[2])
end
for _, field in ipairs(fields) do
  if field[2] == '' then
    redis.call('HDEL', state_key, field[1])
  else
    redis.call('HSET', state_key, field[1], field[2])
  end
end
for _, record in ipairs(latest) do
  redis.call('HSET', KEYS[4 + #streams + tonumber(record[1])], record[2], record[3])
end
if cursor ~= '' then
  redis.call('HSET', cursor_key, 'entry', cursor)
end
if bundle ~= '' then
  redis.call('HSET', cursor_key, 'bundle', bundle)
end
acknowledge()
return { 'OK', cursor }
