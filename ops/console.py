"""What every command shares: a console, progress bars, errors as sentences, meaningful exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from contracts.errors import BadInputError, UnavailableError

if TYPE_CHECKING:
    from offline.dataset import Progress as OnProgress

FAILED = 1
BAD_INPUT = 3
UNAVAILABLE = 4
INTERRUPTED = 130
EXIT_CODES = (
    "Exit codes: 0 done, 1 failed or no-go, 2 wrong usage, 3 bad input, 4 server or registry unavailable."
)

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, for machines."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


@contextmanager
def told_errors() -> Iterator[None]:
    """Turn the errors a user can do something about into one sentence and an exit code."""
    try:
        yield
    except typer.Exit:  # a RuntimeError too, and no fault
        raise
    except (BadInputError, FileNotFoundError, FileExistsError, ValueError) as error:
        _stop(error, BAD_INPUT)
    except (UnavailableError, RedisError, ConnectionError) as error:
        _stop(error, UNAVAILABLE)
    except (OSError, RuntimeError) as error:
        _stop(error, FAILED)
    except KeyboardInterrupt:
        _stop("interrupted; what was finished is kept, the same command goes on from there", INTERRUPTED)


def _stop(error: Exception | str, code: int) -> None:
    err.print(f"[bold red]error[/] {str(error).replace('[', chr(92) + '[')}", highlight=False)
    sys.exit(code)


@contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[OnProgress]:
    """A progress callback that keeps one bar per kind of work, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=quiet) as progress:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield report
