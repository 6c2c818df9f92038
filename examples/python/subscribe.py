"""Print every band of some symbols, or all, from where this program was stopped."""

import asyncio
import os
import sys

from contracts.client import FilePosition, subscribe


async def main(url: str, symbols: list[str]) -> None:
    desk = FilePosition("position.json")
    async with subscribe(url, symbols or None, (42, 60), position=desk, start="oldest") as bands:
        async for band in bands:
            told = band.prices or band.reason
            print(band.symbol, band.issued_at, f"T{band.horizon_bars}", told, flush=True)


asyncio.run(main(os.environ.get("REDIS_URL", "redis://localhost:6379"), sys.argv[1:]))
