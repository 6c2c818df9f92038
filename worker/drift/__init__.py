"""Watching for drift: River's detectors with JSON state, and findings a person can read."""

from worker.drift.finding import Finding
from worker.drift.page_hinkley import preload
from worker.drift.seen import BarSeen, LabelSeen
from worker.drift.watch import Watch, WatchError

__all__ = ["BarSeen", "Finding", "LabelSeen", "Watch", "WatchError", "preload"]
