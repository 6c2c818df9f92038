"""Write every generated file: `python -m ops.monitoring`, or a set for other addresses into a folder.

Example: python -m ops.monitoring var/monitoring --worker w0:8100 --worker w1:8100 --page-url-file page.url
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from contracts.errors import BadInputError
from ops.console import told_errors
from ops.monitoring.alert import RUNBOOK
from ops.monitoring.files import generated, write
from ops.monitoring.routing import PAGE_URL, TICKET_URL
from ops.monitoring.scrape import TARGETS

HERE = Path(__file__).parent


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(prog="python -m ops.monitoring", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE)
    parser.add_argument("--worker", action="append", metavar="HOST:PORT")
    parser.add_argument("--retrainer", action="append", metavar="HOST:PORT")
    feeds = parser.add_mutually_exclusive_group()
    feeds.add_argument("--feed", action="append", metavar="HOST:PORT")
    feeds.add_argument("--no-feed", action="store_true", help="bars are sent by something else: watch none")
    parser.add_argument("--alertmanager", action="append", metavar="HOST:PORT")
    parser.add_argument("--page-url-file", type=Path, help="file with the webhook's URL for pages")
    parser.add_argument("--ticket-url-file", type=Path, help="file with the webhook's URL for tickets")
    parser.add_argument("--runbooks", default=RUNBOOK, help="address of the runbook's page")
    asked = parser.parse_args()
    targets = {
        "workers": asked.worker or TARGETS["workers"],
        "retrainers": asked.retrainer or TARGETS["retrainers"],
        "feeds": () if asked.no_feed else asked.feed or TARGETS["feeds"],
        "alertmanagers": asked.alertmanager or TARGETS["alertmanagers"],
    }
    with told_errors():
        if asked.folder == HERE and (asked.page_url_file or asked.ticket_url_file):
            raise BadInputError("expected a folder beside a webhook's URL, which is a secret, found none")
        page, ticket = _url(asked.page_url_file, PAGE_URL), _url(asked.ticket_url_file, TICKET_URL)
        if is_secret := bool(asked.page_url_file or asked.ticket_url_file):
            os.umask(0o077)
            asked.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in write(generated(targets, page, ticket, asked.runbooks), asked.folder):
            if is_secret and path.name == "alertmanager.yml":
                path.chmod(0o600)
            sys.stdout.write(f"{path}\n")


def _url(file: Path | None, default: str) -> str:
    if file is None:
        return default
    url = file.read_text().strip()
    if not url.startswith(("http://", "https://")):
        raise BadInputError(f"expected one line with an http or https URL in {file}, found something else")
    return url


if __name__ == "__main__":
    main()
