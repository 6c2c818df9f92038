"""A live-like system in one terminal: mock exchange, feed, worker, dashboard, and an alert."""

from ops.demo.live.system import LiveSystem, live_market, start_live
from ops.demo.live.watch import Seen, watch

__all__ = ["LiveSystem", "Seen", "live_market", "start_live", "watch"]
