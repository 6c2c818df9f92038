"""Settings of notifications to a webhook."""

from __future__ import annotations

from pathlib import Path

from ops.settings.sections.base import Positive, Seconds, Section


class NotifySettings(Section):
    """Notifications to a webhook, see `bands notify`."""

    webhook_file: Path | None = None
    """File whose one line is the webhook's URL: it is a secret, and files can be kept."""
    timeout_s: Seconds = 10.0
    """How long one delivery may take."""
    poll_interval_s: Seconds = 2.0
    """How often the streams are looked at."""
    longest_pause_s: Seconds = 60.0
    """Between two attempts; the first pause is half a second and doubles."""
    page_entries: Positive = 100
    """Most entries of one stream read at once."""
