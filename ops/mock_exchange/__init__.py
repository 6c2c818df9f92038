"""An exchange on this machine: real REST and websocket dialects, a market of one's own, faults on demand."""

from ops.mock_exchange.clock import MarketClock
from ops.mock_exchange.faults import Faults, FaultSpec
from ops.mock_exchange.market import Listing, Market, listings
from ops.mock_exchange.server import MockExchange

__all__ = ["FaultSpec", "Faults", "Listing", "Market", "MarketClock", "MockExchange", "listings"]
