"""The page's web server."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import waitress  # type: ignore[import-untyped]

from contracts.errors import BadInputError, UnavailableError
from ops.dashboard.app import make_app
from ops.dashboard.desk import Desk, make_desk
from ops.dashboard.login import password_of
from ops.settings import Settings

log = logging.getLogger(__name__)

THREADS = 8


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve the page until SIGTERM or Ctrl-C; `ready` is given its address once it listens.

    Raises:
        BadInputError: others can reach the address and there is no password, or it can not be used.
        UnavailableError: the port is taken.
    """
    desk, server, url = make_server(settings)

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    desk.start()
    try:
        ready(url)
        server.run()
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        server.close()
        desk.stop()


def make_server(settings: Settings) -> tuple[Desk, Any, str]:
    """The desk, yet to be started, the listening server, yet to be run, and its address.

    Raises:
        BadInputError, UnavailableError: as `serve`.
    """
    own = settings.dashboard
    password = password_of(own)
    desk = make_desk(settings)
    app = make_app(desk, password)
    try:
        server = waitress.create_server(
            app.server,
            host=own.host,
            port=own.port,
            threads=THREADS,
            ident=None,
            # Whether a proxy speaks https decides on the cookie's flag, and nothing else is believed of it.
            clear_untrusted_proxy_headers=False,
        )
    except OSError as error:
        raise UnavailableError(
            f"expected {own.host}:{own.port} to be free for the dashboard, found: {error.strerror or error}; "
            "choose another --port"
        ) from error
    except ValueError as error:
        raise BadInputError(f"expected an address to listen on, found {own.host}: {error}") from error
    shown = f"[{own.host}]" if ":" in own.host else own.host
    return desk, server, f"http://{shown}:{own.port}/"
