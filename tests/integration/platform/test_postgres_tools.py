"""Programs of Postgres are chosen by their version, and called without a password in sight."""

from pathlib import Path

import pytest

from app.cluster import PROGRAMS
from app.postgres_tools import ToolFailed, fitting, run


def program(folder: Path, version: str, does: str = "") -> Path:
    """A stand-in for a program that is installed on somebody's machine."""
    folder.mkdir()
    script = folder / "pg_dump"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {version}" && exit\n{does}\n'
    )
    script.chmod(0o755)
    return script


def test_the_first_one_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old, new = program(tmp_path / "old", "14.9"), program(tmp_path / "new", "99beta2")

    assert fitting("pg_dump", 14, [old.parent, new.parent]) == old
    assert fitting("pg_dump", 15, [old.parent, new.parent]) == new


def test_one_that_is_too_old_or_missing_is_one_line(tmp_path: Path) -> None:
    old = program(tmp_path / "old", "14.9 (Debian 14.9-1)")

    with pytest.raises(
        ToolFailed, match=r"^pg_dump 18 or newer is needed.* found version 14: put one on PATH$"
    ):
        fitting("pg_dump", 18, [old.parent, tmp_path / "none"])
    with pytest.raises(ToolFailed, match="found none"):
        fitting("pg_dump", 18, [tmp_path])


def test_the_embedded_one_comes_before_that_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = program(tmp_path / "bin", "99.1")
    monkeypatch.setenv("PATH", str(on_path.parent), prepend=":")

    assert fitting("pg_dump", 14) == PROGRAMS / "pg_dump"
    assert fitting("pg_dump", 98) == on_path


def test_a_password_is_in_no_argument(tmp_path: Path) -> None:
    script = program(tmp_path / "bin", "18.1", 'echo "$@"; echo "env: $PGPASSWORD"')

    said = run(script, "--format=custom", url="postgresql://ana:se%20cret@example:5433/saga?sslmode=require")

    arguments, environment = said.splitlines()
    assert environment == "env: se cret"
    assert "se" + " cret" not in arguments
    for part in ("user=ana", "host=example", "port=5433", "dbname=saga", "sslmode=require"):
        assert part in arguments


def test_what_a_program_says_of_its_failure_is_said(tmp_path: Path) -> None:
    failing = program(tmp_path / "bin", "18.1", "echo 'pg_dump: error: no room' >&2; exit 1")

    with pytest.raises(ToolFailed, match="no room"):
        run(failing)
    with pytest.raises(ToolFailed, match="cannot run"):
        run(tmp_path / "none")
