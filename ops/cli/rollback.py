"""Give the champion's place back to the previous one."""

from __future__ import annotations

from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.cli.release_options import By, Why, show_release, who
from ops.console import err, told_errors
from ops.release import Releases
from ops.release.connect import streams

EXAMPLE = "Example: bands rollback --by ada --why 'coverage fell below 80 %'"


def run(
    by: By = None,
    why: Why = None,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Champion and @previous change places; refused (exit 1) when there is no previous one.

    A rollback that was cut off is completed, not made twice.
    """
    with told_errors():
        settings = settings_with(redis_url, tracking_uri)
        with streams(settings) as client:
            releases = Releases(settings, client)
            done = releases.complete()
            if done is not None:
                err.print(f"completed a {done.action} to {done.to_bundle} that was cut off", highlight=False)
            if done is None or done.action != "rollback":
                done = releases.rollback(by=who(by), why=why or "")
            show_release(done, as_json=as_json)
