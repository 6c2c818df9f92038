"""Bands and outcomes for trading systems, with nothing but the base install."""

from contracts.client.errors import NewerSchemaError, TrimmedError
from contracts.client.gap import Gap
from contracts.client.latest import latest, latest_sync
from contracts.client.position import FilePosition, Position, PositionStore
from contracts.client.subscribe import outcomes, subscribe
from contracts.client.subscription import Subscription
from contracts.client.sync import SyncSubscription, outcomes_sync, subscribe_sync

__all__ = [
    "FilePosition",
    "Gap",
    "NewerSchemaError",
    "Position",
    "PositionStore",
    "Subscription",
    "SyncSubscription",
    "TrimmedError",
    "latest",
    "latest_sync",
    "outcomes",
    "outcomes_sync",
    "subscribe",
    "subscribe_sync",
]
