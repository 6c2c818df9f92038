"""What every section of the settings is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

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
Host = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class Section(BaseModel):
    """A frozen part of the settings that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
