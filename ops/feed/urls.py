"""The exchange's addresses, moved to another server: a proxy, or an exchange of one's own."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit


def moved(urls: Any, base_url: str) -> Any:
    """ccxt's `urls["api"]`, a text or nested dicts of them, with scheme and host of `base_url`.

    Paths are kept, after the one of `base_url`; websocket addresses stay websockets.

    >>> moved({"public": "https://api.binance.com/api/v3"}, "http://127.0.0.1:8200")
    {'public': 'http://127.0.0.1:8200/api/v3'}
    >>> moved("wss://stream.binance.com:9443/ws", "https://proxy/binance/")
    'wss://proxy/binance/ws'
    """
    if isinstance(urls, dict):
        return {name: moved(value, base_url) for name, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    base, own = urlsplit(base_url), urlsplit(urls)
    scheme = base.scheme.replace("http", "ws") if own.scheme.startswith("ws") else base.scheme
    return urlunsplit((scheme, base.netloc, base.path.rstrip("/") + own.path, own.query, ""))
