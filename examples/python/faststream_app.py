"""Print every band ahead by 42 bars, as a FastStream application."""

import asyncio
import os

from contracts.events import Band
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

broker = RedisBroker(os.environ.get("REDIS_URL", "redis://localhost:6379"))


@broker.subscriber(stream=StreamSub("bands.T42", last_id="0"))
async def on_band(band: Band) -> None:
    told = band.prices or band.reason
    print(band.symbol, band.issued_at, f"T{band.horizon_bars}", told, flush=True)


asyncio.run(FastStream(broker).run())
