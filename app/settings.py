"""Settings, read from the environment (prefix SAGA_). Units are the last word of a name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.privacy.cipher import MasterKeys
from app.security.role_mapping import parse_roles


class SettingsError(Exception):
    """A setting has a bad value. The message names the variable and says what it may be."""


_POSTGRES_RULE: Final = "must look like postgresql://user:password@host:5432/database"


def _postgres_url(url: str) -> str:
    """The address in libpq's form; SQLAlchemy's `postgresql+psycopg://` and `postgres://` are understood."""
    scheme, separator, rest = url.partition("://")
    if not separator or not rest or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError(_POSTGRES_RULE)
    try:
        conninfo_to_dict(f"postgresql://{rest}")
    except ProgrammingError:  # its text quotes the address, and the address may hold a password
        raise ValueError(f"{_POSTGRES_RULE}; %-escapes must be whole, options must be libpq's") from None
    return f"postgresql://{rest}"


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must look like http://host:port/path")
    return url.rstrip("/")


def _master_keys(text: str) -> str:
    MasterKeys.of(text)
    return text


def _origins(text: object) -> object:
    """`https://shop.example,https://desk.example` as pages name themselves."""
    if not isinstance(text, str):
        return text
    origins = [origin.strip() for origin in text.split(",")]
    if not all(re.fullmatch(r"https?://[^/\s,*]+", origin) for origin in origins):
        raise ValueError("must be origins such as https://shop.example, separated by commas")
    return origins


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ValueError("must be https://, or of this machine")
    return url


def _oidc_roles(text: str) -> str:
    parse_roles(text)
    return text


MasterKeyText = Annotated[str, AfterValidator(_master_keys)]
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
BearerToken = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~+/=-]+$", max_length=8192)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """What can be set from outside. Every default is good for one machine."""

    model_config = SettingsConfigDict(env_prefix="SAGA_", env_ignore_empty=True, frozen=True)

    database_url: PostgresUrl | None = Field(default=None, repr=False)
    """Postgres 14 or newer, as the application's role. Unset: an embedded one below `data_dir`."""
    owner_database_url: PostgresUrl | None = Field(default=None, repr=False)
    """The same database as the role that owns the tables, for migrations. Default: `database_url`."""
    database_direct_url: PostgresUrl | None = Field(default=None, repr=False)
    """The same database without a pooler between, for leases and LISTEN. Default: `database_url`."""
    admin_database_url: PostgresUrl | None = Field(default=None, repr=False)
    """As a role that may make roles; read by `saga migrate --roles` alone, so keep it from servers."""
    data_dir: Path = Path(".saga")

    host: str = "127.0.0.1"
    port: Port = 8000
    """0 lets the system choose one."""
    carrier_url: HttpUrl | None = None
    """The carrier's HTTP API. Default: the sandbox carrier of the same process."""
    carrier_token: BearerToken | None = Field(default=None, repr=False)
    """Shown to the carrier at `carrier_url`."""
    supplier_url: HttpUrl | None = None
    """The supplier's HTTP API. Default: the sandbox supplier of the same process."""
    supplier_token: BearerToken | None = Field(default=None, repr=False)
    """Shown to the supplier at `supplier_url`."""

    oidc_issuer: str | None = None
    """Whose JWTs are taken as tokens: their `iss`, to the letter. The next two go with it."""
    oidc_audience: str | None = None
    """What `aud` of a JWT must be or contain."""
    oidc_jwks_url: Annotated[HttpUrl, AfterValidator(_https)] | None = None
    """Where the issuer's public keys are."""
    oidc_roles: Annotated[str, AfterValidator(_oidc_roles)] = ""
    """Which of its roles mean which of ours: `admins=admin,clerks=operator:transfer-funds+return-order`."""
    oidc_roles_claim: str = "roles"
    """The claim with the roles: its name, or the way to it, such as `realm_access.roles`."""
    oidc_actor_claim: str = "sub"
    """The claim that says who asks."""

    session_hours: Annotated[float, Field(gt=0, le=720)] = 8.0
    """How long a login to the console lasts at most."""

    metrics_open: bool = False
    """Whether `/metrics` is answered without a token."""
    otlp_url: HttpUrl | None = None
    """A collector of traces, OTLP over HTTP; `/v1/traces` is added. Unset: there are none."""

    master_key: MasterKeyText | None = Field(default=None, repr=False)
    """Wraps the keys of personal data: 32 bytes in base64. Several, separated by commas: the first wraps, all
    unwrap. Unset: those keys are kept as they are."""

    slots: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Runs of sagas that this executor takes from the queue at one time."""
    polling_interval_seconds: Seconds = 0.05
    follow_log: bool = True
    """Whether this process keeps read models up to date and starts sagas by events. Some process must."""
    database_connections: Annotated[int, Field(ge=4, le=1000)] = 16

    seal_seconds: Seconds = 5.0
    """How often what was recorded is sealed against changes: for so long it is not yet."""

    dbos_rows_kept_hours: Annotated[float, Field(gt=0, le=87_600)] = 24.0
    """How long DBOS's row of a run stays when the run has ended; the journal stays for ever."""

    body_bytes_max: Annotated[int, Field(ge=1024)] = 1024 * 1024
    page_size_max: Annotated[int, Field(ge=1, le=10_000)] = 1000
    requests_per_second_max: Annotated[float, Field(ge=0.1, le=100_000)] | None = None
    """Of one client address, on average; for a moment ten times as many. Beyond that 429. Unset: no limit.
    Behind a proxy that is believed it is the address that it says, behind others that of the proxy."""
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] | None = None
    """Web pages of these origins, separated by commas, may call the API from a browser. Unset: none may."""
    starts_at_once_max: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests that start sagas or send commands and are under way at one time. Beyond that 503."""
    streams_at_once_max: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Answers without an end (watch, follow, the live pages of the console) at one time. Beyond that 503."""
    request_seconds_max: Seconds = 10.0
    """How long a request waits for a database that is away before it is answered 503."""
    wait_seconds_max: Annotated[float, Field(ge=0, le=600)] = 60.0
    """The longest `Prefer: wait=` that a request is held for."""

    log_format: Literal["console", "json"] | None = None
    """Default: console on a terminal, else json."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        given = (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)
        if any(given) and not all(given):
            raise ValueError("SAGA_OIDC_ISSUER, SAGA_OIDC_AUDIENCE and SAGA_OIDC_JWKS_URL go together")
        return self

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Settings from the environment; `overrides` (from the command line) win, None is no override.

        Raises SettingsError with one line for each bad value.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls.model_validate(cls(**given))  # type: ignore[arg-type]  # pydantic checks them
        except ValidationError as error:
            raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from None


def _line(problem: Mapping[str, Any]) -> str:
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    name = "SAGA_" + "_".join(str(part) for part in problem["loc"]).upper()
    message = problem["msg"].removeprefix("Value error, ")
    if name.endswith(("_URL", "_KEY", "_TOKEN")):
        return f"{name}: {message}"  # without the value: it may hold a password, or is one
    return f"{name}: {message} (got {str(problem['input'])!r})"
