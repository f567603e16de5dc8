"""Journals of old sagas are copied into files that prove themselves; the database keeps what it has."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.embedded import EmbeddedPostgres
from tests.acceptance.server import Json, account_with, money, serving, start, until
from tests.acceptance.test_cli import Outcome, document, error_line, run
from tests.conftest import Database, fresh_database
from tests.integration.audit.logs import tampering

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SAGAS = 5
NOW = "--ended-before=2100-01-01T00:00:00Z"
"""All that has ended: what is written depends on no clock then."""


@pytest.fixture(scope="module")
def database(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Database]:
    """Sagas that have ended, one of them undone afterwards, and a sealed log."""
    with (
        fresh_database(postgres_server, template_database) as database,
        serving(database.url, database.owner_url, SAGA_SEAL_SECONDS="0.1") as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        source, target = account_with(http, 1_000), account_with(http, 0)
        for number in range(SAGAS):
            body = {"source": source, "target": target, "money": money(number + 1)}
            key = {"Idempotency-Key": f"t-{number}"}
            assert start(http, "transfer-funds", body, **key).json()["status"] == "completed"
        _undo(http, "t-1")
        last = http.get("/events", params={"limit": 1000}).json()["next"]
        until(lambda: _sealed(http) >= last)
        streams = {f"saga-t-{n}": http.get(f"/streams/saga-t-{n}").json()["events"] for n in range(SAGAS)}
        SERVED.update(streams)
        ANCHORS[:] = http.get("/audit/anchors", params={"limit": 1}).json()["anchors"]
        server.stop()
        yield database


SERVED: dict[str, list[Json]] = {}
"""The journals as the server shows them."""
ANCHORS: list[Json] = []


def _undo(http: httpx.Client, saga_id: str) -> None:
    http.post(f"/sagas/{saga_id}/compensate", json={"reason": "wrong"}).raise_for_status()
    until(lambda: http.get(f"/sagas/{saga_id}").json()["status"] == "compensated")


def _sealed(http: httpx.Client) -> int:
    anchors = http.get("/audit/anchors", params={"limit": 1}).json()["anchors"]
    return int(anchors[0]["position"]) if anchors else 0


def on(database: Database, *arguments: str) -> Outcome:
    return run(*arguments, SAGA_DATABASE_URL=database.url)


def manifests(outcome: Outcome) -> list[Json]:
    assert outcome.returncode == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


@pytest.fixture
def file(database: Database, tmp_path: Path) -> Path:
    [manifest] = manifests(on(database, "archive", "write", str(tmp_path / "kept"), NOW, "--json"))
    return Path(manifest["file"])


def test_an_archive_has_what_the_server_shows_and_proves_it(
    database: Database, file: Path, tmp_path: Path
) -> None:
    anchor = tmp_path / "anchor.json"
    anchor.write_text(json.dumps(ANCHORS[0]))

    sound = document(run("archive", "verify", str(file), "--anchor", str(anchor), "--json"))
    assert (sound["ok"], sound["anchors"], sound["streams"]) == (True, 1, SAGAS)
    assert document(on(database, "archive", "verify", str(file), "--database", "--json"))["database"]
    listed = [json.loads(line) for line in run("archive", "list", str(file), "--json").stdout.splitlines()]
    ends = {stream["stream"]: stream["last_type"] for stream in listed}
    assert set(ends) == set(SERVED)
    assert ends["saga-t-1"] == "SagaCompensated"
    for stream, events in SERVED.items():
        assert document(run("archive", "show", str(file), stream, "--json"))["events"] == events
    assert "has no stream" in error_line(run("archive", "show", str(file), "saga-none"))


def test_files_follow_each_other_and_none_is_written_twice(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / ".sagas-part-left").write_text("what one that was killed has left")
    small = ("archive", "write", str(folder), NOW, "--file-events=1", "--json")

    written = manifests(on(database, *small))
    assert [each["streams"] for each in written] == [1] * SAGAS
    assert [each["after"] for each in written[1:]] == [each["through"] for each in written[:-1]]
    names = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert manifests(on(database, *small)) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == names

    last = Path(written[-1]["file"])
    last.unlink()  # as if it had been killed before
    [again] = manifests(on(database, *small))
    assert Path(again["file"]).read_bytes() == names[last.name]
    Path(written[1]["file"]).unlink()
    assert "a file is missing before it" in error_line(on(database, *small))


def test_a_saga_that_ended_later_is_left_for_later(database: Database, tmp_path: Path) -> None:
    ended = SERVED["saga-t-2"][-1]["recorded_at"]
    folder = ("archive", "write", str(tmp_path), "--json")

    [first] = manifests(on(database, *folder, "--ended-before", ended))
    [second] = manifests(on(database, *folder, NOW))

    assert (first["streams"], second["streams"]) == (1, SAGAS - 1)  # t-1 was undone after that
    assert "give one of" in error_line(on(database, *folder))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"t-0", b"t-9"), *lines[2:]], "not what"),
        (lambda lines: lines[:-1], "no manifest"),
        (lambda lines: [*lines[:2], *lines[3:]], "not what follows"),
        (lambda lines: [line for line in lines if not line.startswith(b'{"seal"')], "not what was sealed"),
        (lambda lines: [line.replace(b'"events":', b'"events":1') for line in lines], "events, not"),
        (lambda lines: [b"[]\n", *lines], "no JSON object"),
        (lambda lines: [*lines, b"{}\n"], "follows the manifest"),
    ],
)
def test_a_changed_archive_is_found_out(file: Path, change: object, error: str) -> None:
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    changed = file.with_name("changed.jsonl.gz")
    changed.write_bytes(gzip.compress(b"".join(change(lines))))  # type: ignore[operator]

    assert error in error_line(run("archive", "verify", str(changed)))


def test_half_a_file_and_a_wrong_anchor_are_found_out(file: Path, tmp_path: Path) -> None:
    half, anchor = tmp_path / "half.gz", tmp_path / "anchor.json"
    half.write_bytes(file.read_bytes()[:-200])
    anchor.write_text(json.dumps({**ANCHORS[0], "hash": "00" * 32}))

    assert "unpacked" in error_line(run("archive", "verify", str(half)))
    wrong = run("archive", "verify", str(file), "--anchor", str(anchor))
    assert "not the one that was anchored" in error_line(wrong)
    assert "cannot read" in error_line(run("archive", "list", str(tmp_path / "none")))


async def test_a_database_that_was_changed_since_is_told_of(database: Database, file: Path) -> None:
    change = (
        "update eventstore.events set type = %s where stream = 'saga-t-0' and version = 1 returning position"
    )
    async with tampering(database) as admin:
        await admin.execute(change, ["Other"])
    try:
        assert "is another one" in error_line(on(database, "archive", "verify", str(file), "--database"))
    finally:
        async with tampering(database) as admin:
            await admin.execute(change, ["SagaRequested"])


def test_nothing_leaves_the_database(database: Database, file: Path) -> None:
    with psycopg.connect(database.admin_url) as connection:
        rows = connection.execute("select count(*) from eventstore.events where stream like 'saga-t-%'")
        assert rows.fetchone() == (sum(map(len, SERVED.values())),)
