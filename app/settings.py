"""Settings, read from the environment (prefix SAGA_). Units are the last word of a name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.privacy.cipher import MasterKeys


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


MasterKeyText = Annotated[str, AfterValidator(_master_keys)]
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
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
    data_dir: Path = Path(".saga")

    host: str = "127.0.0.1"
    port: Port = 8000
    """0 lets the system choose one."""
    carrier_url: HttpUrl | None = None
    """The carrier's HTTP API. Default: the sandbox carrier of the same process."""
    supplier_url: HttpUrl | None = None
    """The supplier's HTTP API. Default: the sandbox supplier of the same process."""

    master_key: MasterKeyText | None = Field(default=None, repr=False)
    """Wraps the keys of personal data: 32 bytes in base64. Several, separated by commas: the first wraps, all
    unwrap. Unset: those keys are kept as they are."""

    slots: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Runs of sagas that this executor works on at one time."""
    polling_interval_seconds: Seconds = 0.05
    database_connections: Annotated[int, Field(ge=4, le=1000)] = 16

    seal_seconds: Seconds = 5.0
    """How often what was recorded is sealed against changes: for so long it is not yet."""

    dbos_rows_kept_hours: Annotated[float, Field(gt=0, le=87_600)] = 24.0
    """How long DBOS's row of a run stays when the run has ended; the journal stays for ever."""

    body_bytes_max: Annotated[int, Field(ge=1024)] = 1024 * 1024
    page_size_max: Annotated[int, Field(ge=1, le=10_000)] = 1000
    request_seconds_max: Seconds = 10.0
    """How long a request waits for a database that is away before it is answered 503."""
    wait_seconds_max: Annotated[float, Field(ge=0, le=600)] = 60.0
    """The longest `Prefer: wait=` that a request is held for."""

    log_format: Literal["console", "json"] | None = None
    """Default: console on a terminal, else json."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

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
    name = "SAGA_" + "_".join(str(part) for part in problem["loc"]).upper()
    message = problem["msg"].removeprefix("Value error, ")
    if name.endswith(("_URL", "_KEY")):
        return f"{name}: {message}"  # without the value: it may hold a password, or is one
    return f"{name}: {message} (got {str(problem['input'])!r})"
