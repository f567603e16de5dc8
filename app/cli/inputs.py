"""What the arguments of commands mean: documents from a file or standard input, and times."""

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from app.cli.client import Json
from app.cli.errors import CliError
from app.client import models
from app.ids import ID_LENGTH_MAX, ID_PATTERN

_DURATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_input(text: str) -> Json:
    """The JSON object that an argument means. Raises CliError."""
    document = _parsed(_text(text))
    if not isinstance(document, dict):
        raise CliError("the input must be a JSON object")
    return document


def read_batch(text: str) -> list[models.BatchItem]:
    """The JSON objects that an argument means: an array of them, or one a line. Raises CliError."""
    content = _text(text).strip()
    if content.startswith(b"["):
        documents: list[Any] = _parsed(content)
    else:
        documents = [_parsed(line) for line in content.splitlines() if line.strip()]
    if not all(isinstance(document, dict) for document in documents):
        raise CliError("a batch consists of JSON objects")
    return documents


def checked_id(text: str) -> str:
    """An id to be sent in a header, which takes no other characters. Raises CliError."""
    if len(text) > ID_LENGTH_MAX or not re.fullmatch(ID_PATTERN, text):
        allowed = f"at most {ID_LENGTH_MAX} letters of a to z, digits and . _ : -"
        raise CliError(f"an id has {allowed}, not {text!r}")
    return text


def start_time(at: str | None, after: str | None) -> datetime | None:
    """The time that `--at` or `--in` mean. Raises CliError."""
    if at is not None and after is not None:
        raise CliError("--at and --in say the same thing; give one of them")
    if after is not None:
        return datetime.now(UTC) + _duration(after)
    return None if at is None else _time("--at", at)


def time_before(time: str | None, age: str | None) -> datetime:
    """The time that `--ended-before` or `--older-than` mean. Raises CliError."""
    if (time is None) == (age is None):
        raise CliError("give one of --older-than and --ended-before")
    return datetime.now(UTC) - _duration(age) if age is not None else _time("--ended-before", time or "")


def expiry(text: str | None) -> datetime | None:
    """The time that `--expires` means: after a duration, or at a time. Raises CliError."""
    if text is None:
        return None
    time = datetime.now(UTC) + _duration(text) if _DURATION.fullmatch(text) else _time("--expires", text)
    if time <= datetime.now(UTC):
        raise CliError("--expires is in the past")
    return time


def _time(option: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(f"{option} is no time: {error}") from None
    return time if time.tzinfo is not None else time.astimezone()


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise CliError(f"a duration is a number and s, m, h or d, such as 15m, not {text!r}")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _text(argument: str) -> bytes:
    if argument == "-":
        return sys.stdin.buffer.read()
    if not argument.startswith("@"):
        return os.fsencode(argument)
    try:
        return Path(argument[1:]).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise CliError(f"cannot read {argument[1:]}: {error}") from None


def _parsed(text: bytes) -> Any:
    """As the server reads it: neither NaN nor half a character could be sent to it."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CliError(f"the input is not JSON: {error}") from None


def attributes_of(given: list[str]) -> dict[str, str]:
    """The attributes that `NAME=VALUE` options mean. Raises CliError."""
    pairs = [each.partition("=") for each in given]
    for name, separator, _ in pairs:
        if not separator:
            raise CliError(f"an attribute is NAME=VALUE, not {name}")
    return {name: value for name, _, value in pairs}
