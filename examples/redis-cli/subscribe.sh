#!/bin/sh
# Print every band ahead by 42 bars, one JSON record a line, with redis-cli alone.
url=${REDIS_URL:-redis://localhost:6379}
seen=0
while :; do
  # Three lines an entry after the stream's name: its id, the word "data", the record.
  read=$(redis-cli -u "$url" --raw XREAD COUNT 100 BLOCK 1000 STREAMS bands.T42 "$seen") || { sleep 1; continue; }
  [ -n "$read" ] || continue
  printf '%s\n' "$read" | awk 'NR > 1 && NR % 3 == 1'
  seen=$(printf '%s\n' "$read" | awk 'NR > 1 && NR % 3 == 2 { id = $0 } END { print id }')
done
