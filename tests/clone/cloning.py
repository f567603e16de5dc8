"""A clone of this repository, and what a person types in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
LEFT_OUT: Final = (
    ".git",
    ".venv",
    ".saga",
    "*_cache",
    ".hypothesis",
    "__pycache__",
    "*.egg-info",
    "build",
    "site",
)
COMMAND_SECONDS_MAX: Final = 600


def clone_into(folder: Path) -> Path:
    """The files of this repository, without what was made of them."""
    return shutil.copytree(ROOT, folder / "clone", ignore=shutil.ignore_patterns(*LEFT_OUT))


def run(clone: Path, *command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command in the clone, with its code and the packages of this repository's .venv."""
    return subprocess.run(
        command,
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone), **settings},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )


def done(clone: Path, *command: str | Path, **settings: str) -> str:
    """What a command printed that must succeed."""
    ended = run(clone, *command, **settings)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def saga(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(clone, sys.executable, "-m", "app.cli.main", *arguments)


def make(clone: Path, target: str) -> str:
    """`make TARGET` as if `make setup` had been there."""
    return done(clone, "make", "-o", ".venv/.installed", f"BIN={BIN}", target)


def passing(clone: Path, files: Iterable[str]) -> str:
    """The last line of pytest on files that must pass."""
    printed = done(clone, sys.executable, "-m", "pytest", "-q", *files)
    return printed.splitlines()[-1]
