"""Postgres's own programs, of a version that fits the server, with the password out of sight."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.cluster import PROGRAMS

OUTPUT_CHARACTERS_MAX: Final = 500
_VERSION: Final = re.compile(r"\b(\d+)(?:\.\d+|devel|beta\d+|rc\d+)", re.ASCII)


class ToolFailed(Exception):
    """A program of Postgres is missing, too old, or has failed; the message says which and why."""


def fitting(name: str, server_version: int, folders: Sequence[Path] | None = None) -> Path:
    """The program `name` of at least the server's major version: the embedded Postgres's own, else that on
    the PATH. Raises ToolFailed."""
    on_path = shutil.which(name)
    usual = [PROGRAMS, *([Path(on_path).parent] if on_path else [])]
    found = [
        (version, folder / name)
        for folder in (usual if folders is None else folders)
        if (version := _version(folder / name)) is not None
    ]
    for version, program in found:
        if version >= server_version:
            return program
    known = f"found version {max(found)[0]}" if found else "found none"
    raise ToolFailed(
        f"{name} {server_version} or newer is needed, as the server is; {known}: put one on PATH"
    )


def run(program: Path, *arguments: str, url: str | None = None) -> str:
    """What the program prints. It connects to `url` if that is given. Raises ToolFailed."""
    environment = dict(os.environ)
    where: list[str] = []
    if url is not None:
        parts = conninfo_to_dict(url)
        password = parts.pop("password", None)
        where = ["--no-password", "--dbname", make_conninfo("", **parts)]
        if password is not None:
            environment["PGPASSWORD"] = str(password)  # arguments are seen by all users of the machine
    command = [str(program), *where, *arguments]
    try:
        ended = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
        )
    except OSError as error:
        raise ToolFailed(f"cannot run {program}: {error.strerror}") from error
    if ended.returncode != 0:
        said = ended.stderr.strip()[-OUTPUT_CHARACTERS_MAX:] or f"ended with {ended.returncode}"
        raise ToolFailed(f"{program.name}: {said}")
    return ended.stdout


def _version(program: Path) -> int | None:
    if not program.is_file():
        return None
    found = _VERSION.search(run(program, "--version"))
    return int(found[1]) if found else None
