"""The settings of every command, in one model.

Sources, the earlier one wins: arguments of `Settings(...)`, environment variables (`BANDS_WORKSPACE`,
`BANDS_WORKER__HTTP_PORT`), `bands.toml` in the working folder (or the file `BANDS_CONFIG` names), defaults.
A key that does not exist is an error that names the nearest one that does, never a setting without effect.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ops.settings_sources import (
    LayerSource,
    SettingsError,
    arguments_layer,
    environment_layer,
    file_layer,
    leaves,
    mask,
)

__all__ = [
    "RedisSettings",
    "RegistrySettings",
    "ReleaseSettings",
    "RetrainSettings",
    "Settings",
    "SettingsError",
    "StreamSettings",
    "TrainSettings",
    "WorkerSettings",
]

_SCHEMES = ("redis://", "rediss://", "unix://")


def _redis_url(url: str) -> str:
    if not url.startswith(_SCHEMES):
        raise ValueError(f"Input should be a URL that starts with one of {', '.join(_SCHEMES)}")
    return url


def _comma_separated(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
Names = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RedisSettings(_Section):
    """The server that holds the streams."""

    url: RedisUrl | None = Field(default=None, repr=False)
    """`redis://`, `rediss://` (TLS) or `unix://`, with its credentials; None is the embedded server."""
    socket_timeout_s: Seconds = 5.0
    """How long one answer may take; longer than `stream.block_ms`, which waits inside an answer."""


class StreamSettings(_Section):
    """The streams and what is kept of them."""

    partitions: Positive = 1
    """Fixed for a deployment: a symbol's partition is its hash modulo this number."""
    batch_max: Positive = 100
    """Most bars read and committed at once."""
    block_ms: Positive = 1_000
    """How long a read waits for the next bar."""
    output_maxlen: Positive = 50_000
    """Entries kept in each output stream."""
    dead_maxlen: Positive = 10_000
    """Entries kept in the dead-letter stream."""
    bars_retention_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0
    """How long bars in effect are kept: as far back as `bands audit` can look without `--bars`."""


class WorkerSettings(_Section):
    """The worker process."""

    lease_ttl_ms: Annotated[int, Field(ge=100)] = 10_000
    """How long a silent owner keeps its partition."""
    sweep_interval_s: Seconds = 5.0
    """How often the pending list is looked at."""
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=1, le=65_535)] = 8_100


class RegistrySettings(_Section):
    """The model registry."""

    tracking_uri: str | None = Field(default=None, repr=False)
    """None is SQLite in the workspace."""
    timeout_s: Seconds = 3.0
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = "champion"
    challenger_alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = "challenger"
    poll_s: Seconds = 60.0
    """How often a worker looks at the aliases; an entry on `releases` makes it look at once."""


class TrainSettings(_Section):
    """Offline runs."""

    symbols: Names = ()
    """Empty is every symbol of the bars given; in a variable, names separated by commas."""
    seed: Annotated[int, Field(ge=0)] = 7
    threads: Positive | None = None
    """None is every core."""
    folds: Annotated[int, Field(ge=2)] = 5
    max_gap_bars: Annotated[int, Field(ge=0)] = 12
    """Missing bars that are bridged; with one more, the symbol warms up again. The bundle carries it."""
    alarms_per_year: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """False drift alarms per symbol, over all channels, that the bundle's thresholds are calibrated to."""


class ReleaseSettings(_Section):
    """How a challenger takes over."""

    policy: Literal["manual", "automatic"] = "manual"
    """Of `bands shadow --follow`: automatic promotes on a win and withdraws on a loss."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Chance of a false win over all looks together, and of a false loss."""
    require_gates: bool = True
    """Promote only what a quality gates report says go to."""
    require_signoff: bool = False
    """Promote only what both roles have signed, see `bands approve`."""
    poll_interval_s: Seconds = 5.0
    """How often `bands shadow --follow` looks."""


class RetrainSettings(_Section):
    """The retrainer, and what a retraining does."""

    cooldown_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 7.0
    """How long after an accepted run another request for the same champion is answered `skipped`."""
    schedule_day: Annotated[int, Field(ge=0, le=28)] = 1
    """Day of the month on which a retraining is asked for; 0 is never."""
    trials: Annotated[int, Field(ge=0)] = 10
    """HPO trials per horizon, the champion's settings first; 0 trains with the defaults."""
    validation_days: Positive = 365
    """The walk-forward covers this much of the newest bars; half of them where there are too few."""
    calibrate: bool = True
    """Compare calibrators where there are bars enough before the validation; else adaptive CQR."""
    lease_ttl_ms: Annotated[int, Field(ge=100)] = 30_000
    """How long a silent retrainer keeps the lock."""
    sweep_interval_s: Seconds = 5.0
    archive_interval_s: Seconds = 3_600.0
    """How often the bars that have flowed are added to the workspace's archive."""
    retry_s: Seconds = 30.0
    """Pause before a run goes on after the registry was away."""
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=1, le=65_535)] = 8_101


class Settings(BaseSettings):
    """Every setting of every command; frozen, and checked when it is made.

    Raises:
        SettingsError: an unknown key, a value out of range, a settings file that can not be read.

    >>> settings = Settings(workspace="/srv/bands", redis={"url": "redis://:secret@db:6379/0"})
    >>> settings.bundles_path.as_posix(), settings.stream.batch_max
    ('/srv/bands/bundles', 100)
    >>> [row for row in settings.describe() if row[0] == "redis.url"]
    [('redis.url', 'redis://***@db:6379/0', 'argument')]
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    workspace: Path = Path("var")
    """Everything a run makes lives under this folder; relative to the working folder."""
    redis: RedisSettings = RedisSettings()
    stream: StreamSettings = StreamSettings()
    worker: WorkerSettings = WorkerSettings()
    registry: RegistrySettings = RegistrySettings()
    train: TrainSettings = TrainSettings()
    retrain: RetrainSettings = RetrainSettings()
    release: ReleaseSettings = ReleaseSettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, **arguments: Any) -> None:
        given = arguments_layer(arguments)
        origins: dict[str, str] = {}
        for layer in (file_layer(), environment_layer(), given):  # the later one wins
            _refuse_unknown(layer.origins)
            origins |= layer.origins
        try:
            super().__init__(**given.values)
        except ValidationError as error:
            raise SettingsError(_sentences(error, origins)) from None
        self._origins = origins

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, file: our own last two, because they remember each value's origin."""
        return (
            init_settings,
            LayerSource(settings_cls, environment_layer()),
            LayerSource(settings_cls, file_layer()),
        )

    @model_validator(mode="after")
    def _reads_end_before_their_timeout(self) -> Self:
        if self.stream.block_ms >= 1_000 * self.redis.socket_timeout_s:
            raise ValueError(
                f"Input should have stream.block_ms ({self.stream.block_ms} ms) below "
                f"redis.socket_timeout_s ({self.redis.socket_timeout_s} s), or every quiet read times out"
            )
        return self

    @property
    def workspace_path(self) -> Path:
        """The workspace as an absolute path."""
        return self.workspace.expanduser().absolute()

    @property
    def bundles_path(self) -> Path:
        """Where bundles are kept."""
        return self.workspace_path / "bundles"

    @property
    def server_path(self) -> Path:
        """The embedded server's folder."""
        return self.workspace_path / "server"

    @property
    def mlflow_path(self) -> Path:
        """The registry's folder, database and artifacts."""
        return self.workspace_path / "mlflow"

    @property
    def registry_uri(self) -> str:
        """The registry's tracking URI; SQLite in the workspace unless one is set."""
        return self.registry.tracking_uri or f"sqlite:///{self.mlflow_path / 'mlflow.db'}"

    def describe(self) -> list[tuple[str, str, str]]:
        """Every setting as (dotted name, value without credentials, origin), in the model's order."""
        return [
            (name, mask(value), self._origins.get(name, "default"))
            for name, value in leaves(self.model_dump())
        ]


def _valid_names(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += _valid_names(kind, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def _refuse_unknown(origins: Mapping[str, str]) -> None:
    valid = _valid_names()
    for name, origin in origins.items():
        if name in valid:
            continue
        last = name.rpartition(".")[2]
        nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.6) or [
            known for known in valid if known.rpartition(".")[2] == last
        ]
        if any(known.startswith(f"{name}.") for known in valid):
            raise SettingsError(f"Expected {name} to be a section of settings, found one value in {origin}.")
        advice = f"the nearest is {nearest[0]}" if nearest else f"the known ones are {', '.join(valid)}"
        raise SettingsError(f"Expected a known setting, found {name} in {origin}: {advice}.")


def _sentences(error: ValidationError, origins: Mapping[str, str]) -> str:
    found = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        rule = problem["msg"].removeprefix("Value error, ")
        should = rule.removeprefix("Input should ")
        if not name:
            found.append(f"Expected the settings to {should}: change one of the two.")
            continue
        expected = f"{name} to {should}" if should != rule else f"a valid {name} ({rule})"
        source = origins.get(name) or next((o for n, o in origins.items() if name.startswith(n)), "argument")
        value = repr(mask(problem["input"]))
        found.append(f"Expected {expected}, found {value} in {source}: correct it there.")
    return "\n".join(found)
