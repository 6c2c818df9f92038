"""What every service logs, set up by one call: text for a person, one JSON object a line for a machine.

>>> import logging, json
>>> record = logging.LogRecord("worker", logging.INFO, "", 0, "at %s", ("redis://u:p@db:6379",), None)
>>> record.entry = "5-0"
>>> line = json.loads(JsonFormatter({"service": "worker"}).format(record))
>>> line["message"], line["entry"], line["service"]
('at redis://***@db:6379', '5-0', 'worker')
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from ops.settings import Settings
from ops.settings.sources import mask

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
NOISY = (
    "faststream",
    "uvicorn",
    "werkzeug",
    "waitress",
    "httpx",
    "httpcore",
    "urllib3",
    "ccxt",
    "asyncio",
    "optuna",
    "alembic",
    "mlflow",
    "lightgbm",
)
"""What libraries say for their own debugging; their warnings are kept."""

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


def set_up(settings: Settings, *, verbose: bool = False, fields: Mapping[str, object] | None = None) -> None:
    """Send the root logger's lines to standard error, as `log.format` and `log.level` say.

    `verbose` is DEBUG whatever the level says. `fields` are on every JSON line: `{"service": "worker"}`.
    Credentials in URLs are masked in both formats. Calling it again replaces what it set up before.
    """
    own = settings.log
    is_json = own.format == "json" or (own.format == "auto" and not sys.stderr.isatty())
    handler = _ToStandardError()
    handler.setFormatter(JsonFormatter(fields or {}) if is_json else TextFormatter(TEXT))
    level = logging.DEBUG if verbose else logging.getLevelNamesMapping()[own.level]
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    if is_json:
        sys.excepthook = _log_uncaught


class _ToStandardError(logging.Handler):
    """Writes to what standard error is now, not to what it was when logging was set up."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - a line that can not be written must not end the service
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """A line for a person: what a line is about stands at its end."""

    def format(self, record: logging.LogRecord) -> str:
        """The masked line, with the entry where there is one."""
        told = mask(super().format(record))
        entry = getattr(record, "entry", None)
        return told if entry is None or entry in told else f"{told} [entry {entry}]"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the fields of the service and of the line.

    An exception is three fields: `error_type`, `error` and `stack`.
    """

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__()
        self._fields = dict(fields)

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, masked, without a line break."""
        moment = datetime.fromtimestamp(record.created, UTC)
        told: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
            **{name: value for name, value in record.__dict__.items() if name not in _STANDARD},
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            told |= {
                "error_type": type(error).__name__,
                "error": str(error),
                "stack": "".join(traceback.format_exception(error)),
            }
        elif record.stack_info:
            told["stack"] = record.stack_info
        return json.dumps({name: _plain(value) for name, value in told.items()}, ensure_ascii=False)


def _plain(value: object) -> object:
    """A value as JSON knows it, without credentials."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return "\n".join(mask(line) for line in str(value).split("\n"))


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("bands").critical("the process failed", exc_info=(kind, error, trace))
