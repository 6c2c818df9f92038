"""Print every band ahead by 42 bars with redis-py alone, nothing of Quant Bands installed."""

import json
import os

from redis import Redis

redis, seen = Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379")), "0"
while True:
    for _, entries in redis.xread({"bands.T42": seen}, count=100, block=1000) or ():
        for seen, fields in entries:
            band = json.loads(fields[b"data"])
            told = band["prices"] if band["status"] == "band" else band["reason"]
            print(band["symbol"], band["issued_at"], f"T{band['horizon_bars']}", told, flush=True)
