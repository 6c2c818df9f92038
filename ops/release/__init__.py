"""Releases: a challenger in shadow, promoted, withdrawn, or the champion rolled back; and their history."""

from ops.release.actions import Releases
from ops.release.change import Change
from ops.release.errors import ReleaseRefusedError
from ops.release.history import last_releases
from ops.release.judged import judge_pair
from ops.release.requirements import unmet

__all__ = ["Change", "ReleaseRefusedError", "Releases", "judge_pair", "last_releases", "unmet"]
