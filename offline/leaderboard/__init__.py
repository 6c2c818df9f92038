"""The leaderboard: our issued bands beside every peer, on the same rows."""

from offline.leaderboard.calendar import EveryDays, EveryMonths, Refit, cadence
from offline.leaderboard.entrants import OPTIONAL, entrants
from offline.leaderboard.entries import Predictions, read_predictions
from offline.leaderboard.market import Market
from offline.leaderboard.peer import BaselinePeer, Peer
from offline.leaderboard.run import SCHEMA, Leaderboard, leaderboard
from offline.leaderboard.targets import OURS

__all__ = [
    "OPTIONAL",
    "OURS",
    "SCHEMA",
    "BaselinePeer",
    "EveryDays",
    "EveryMonths",
    "Leaderboard",
    "Market",
    "Peer",
    "Predictions",
    "Refit",
    "cadence",
    "entrants",
    "leaderboard",
    "read_predictions",
]
