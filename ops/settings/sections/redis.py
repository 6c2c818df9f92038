"""Settings of the server that holds the streams."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

from pydantic import Field

from ops.security.secrets import read_password
from ops.settings.sections.base import RedisUrl, Seconds, Section
from ops.settings.sources import SettingsError


class RedisSettings(Section):
    """The server that holds the streams.

    A URL with a user or password of its own is complete: nothing of what is set here is added to it.
    """

    url: RedisUrl | None = Field(default=None, repr=False)
    """`redis://`, `rediss://` (TLS) or `unix://`; None is the embedded server."""
    username: str | None = None
    """The ACL user; None is the server's default user."""
    password_file: Path | None = None
    """File with the password, closed to others; read again whenever a connection is set up."""
    tls_ca_file: Path | None = None
    """PEM certificates that the server's must descend from; None trusts those of the system."""
    tls_cert_file: Path | None = None
    """PEM certificate of this client, where the server asks for one; with `tls_key_file`."""
    tls_key_file: Path | None = None
    """PEM key of that certificate."""
    cluster: bool = False
    """Whether the URL leads to a cluster; it takes two partitions or more, whose keys lie together."""
    socket_timeout_s: Seconds = 5.0
    """How long one answer may take; longer than `stream.block_ms`, which waits inside an answer."""

    @property
    def effective_url(self) -> str | None:
        """The URL that clients are made of: with user, password and TLS files; None is the embedded server.

        It holds the password: give it to clients, never to a log, a message or a command line.

        Raises:
            SettingsError: a file is missing, or there is a user or a cluster but no server.
            SecretError: the password file is readable by everybody.
        """
        if problem := self.contradiction():
            raise SettingsError(f"Expected the settings to {problem}.")
        if self.url is None and self.cluster:
            raise SettingsError("Expected redis.url beside redis.cluster: the embedded server is no cluster.")
        if self.url is None or _is_complete(self.url):
            return self.url
        return self._with_tls(self._with_user(self.url))

    def standalone_url(self, url: str) -> str:
        """`url` of another server, so that a process with these settings adds no password to it."""
        needs = self.username or self.password_file or self.tls_ca_file or self.tls_cert_file
        return _with_userinfo(url, "default", "") if needs and not _is_complete(url) else url

    def contradiction(self) -> str | None:
        """What the settings should be instead, where two of them do not go together; None where they do."""
        tls = {"tls_ca_file": self.tls_ca_file, "tls_cert_file": self.tls_cert_file}
        named = [f"redis.{name}" for name, file in tls.items() if file is not None]
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            return "have both redis.tls_cert_file and redis.tls_key_file, or neither"
        if self.username is not None and self.password_file is None:
            return "have redis.password_file beside redis.username"
        if self.url is None:
            named += ["redis.password_file"] if self.password_file is not None else []
            return f"have redis.url beside {named[0]}: the embedded server knows neither" if named else None
        if named and not self.url.startswith("rediss://") and not _is_complete(self.url):
            return f"have a redis.url that starts with rediss:// beside {named[0]}"
        return None

    def _with_user(self, url: str) -> str:
        if self.password_file is None:
            return url
        password = read_password(self.password_file, "redis.password_file")
        return _with_userinfo(url, self.username or "", password)

    def _with_tls(self, url: str) -> str:
        asked = {
            "ssl_ca_certs": ("tls_ca_file", self.tls_ca_file),
            "ssl_certfile": ("tls_cert_file", self.tls_cert_file),
            "ssl_keyfile": ("tls_key_file", self.tls_key_file),
        }
        parts = urlsplit(url)
        known = parse_qs(parts.query)
        added: dict[str, str] = {}
        for option, (name, file) in asked.items():
            if file is None or option in known:
                continue
            path = file.expanduser().absolute()
            if not path.is_file():
                raise SettingsError(f"Expected a file at {path} (redis.{name}), found none: correct it.")
            added[option] = str(path)
        query = "&".join(part for part in (parts.query, urlencode(added)) if part)
        return urlunsplit(parts._replace(query=query))


def _is_complete(url: str) -> bool:
    parts = urlsplit(url)
    return "@" in parts.netloc or bool({"username", "password"} & parse_qs(parts.query).keys())


def _with_userinfo(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    userinfo = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    # Put together by hand: urlunsplit drops the empty host of unix://user@/path.
    rest = urlunsplit(parts._replace(scheme="", netloc=""))
    return f"{parts.scheme}://{userinfo}@{parts.netloc}{rest}"
