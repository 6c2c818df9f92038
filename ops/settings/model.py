"""The settings of every command, in one model.

Sources, the earlier one wins: arguments of `Settings(...)`, environment variables (`BANDS_WORKSPACE`,
`BANDS_WORKER__HTTP_PORT`), `bands.toml` in the working folder (or the file `BANDS_CONFIG` names), defaults.
A key that does not exist is an error that names the nearest one that does, never a setting without effect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ops.settings.names import refuse_unknown, sentences
from ops.settings.sections import (
    DashboardSettings,
    DeploySettings,
    FeedSettings,
    LogSettings,
    NotifySettings,
    RedisSettings,
    RegistrySettings,
    ReleaseSettings,
    RetrainSettings,
    SigningSettings,
    StreamSettings,
    TracingSettings,
    TrainSettings,
    WorkerSettings,
)
from ops.settings.sources import (
    LayerSource,
    SettingsError,
    arguments_layer,
    environment_layer,
    file_layer,
    leaves,
    mask,
)


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
    feed: FeedSettings = FeedSettings()
    registry: RegistrySettings = RegistrySettings()
    train: TrainSettings = TrainSettings()
    retrain: RetrainSettings = RetrainSettings()
    release: ReleaseSettings = ReleaseSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    notify: NotifySettings = NotifySettings()
    dashboard: DashboardSettings = DashboardSettings()
    signing: SigningSettings = SigningSettings()
    deploy: DeploySettings = DeploySettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, **arguments: Any) -> None:
        given = arguments_layer(arguments)
        origins: dict[str, str] = {}
        for layer in (file_layer(), environment_layer(), given):  # the later one wins
            refuse_unknown(type(self), layer.origins)
            origins |= layer.origins
        try:
            super().__init__(**given.values)
        except ValidationError as error:
            raise SettingsError(sentences(error, origins)) from None
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

    @model_validator(mode="after")
    def _server_and_credentials_agree(self) -> Self:
        if problem := self.redis.contradiction():
            raise ValueError(f"Input should {problem}")
        return self

    @model_validator(mode="after")
    def _keys_of_a_partition_lie_together(self) -> Self:
        if self.redis.cluster and self.stream.partitions < 2:
            raise ValueError(
                f"Input should have stream.partitions of 2 or more beside redis.cluster, not "
                f"{self.stream.partitions}: the keys of a single partition have no hash tag, and a cluster "
                "spreads over its nodes what one commit writes"
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
