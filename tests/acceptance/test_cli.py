"""The commands against a running server, as processes."""

import json
import subprocess
from typing import Any

import httpx
import pytest

from tests.acceptance.server import (
    ROOT,
    Json,
    ServerProcess,
    account_with,
    command,
    environment,
    free_port,
    money,
    order_of,
    stock_of,
    unique,
)
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Outcome = subprocess.CompletedProcess[str]


def saga(server: ServerProcess, *arguments: str, stdin: str | None = None) -> Outcome:
    """Run `saga …` against the server."""
    return run(*arguments, stdin=stdin, SAGA_URL=server.url)


def run(*arguments: str, stdin: str | None = None, **settings: str) -> Outcome:
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(**settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def document(outcome: Outcome) -> Json:
    assert outcome.returncode == 0, outcome.stderr
    printed: Json = json.loads(outcome.stdout)
    return printed


def error_line(outcome: Outcome) -> str:
    """What a command that failed says, which is one line."""
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert outcome.stdout == ""
    [line] = outcome.stderr.splitlines()
    assert line.startswith("saga: ")
    return line.removeprefix("saga: ")


@pytest.fixture
def transfer(http: httpx.Client) -> str:
    body: dict[str, Any] = {
        "source": account_with(http, 100),
        "target": account_with(http, 0),
        "money": money(40),
    }
    return json.dumps(body)


def test_a_saga_is_started_and_looked_at(server: ServerProcess, transfer: str) -> None:
    saga_id = unique("cli")

    started = document(saga(server, "start", "transfer-funds", transfer, "--id", saga_id, "--wait", "--json"))
    shown = document(saga(server, "show", saga_id, "--json"))
    people = saga(server, "show", saga_id)

    assert started == shown
    assert (shown["saga_id"], shown["status"]) == (saga_id, "completed")
    assert people.returncode == 0
    assert all(word in people.stdout for word in (saga_id, "completed", "Withdraw", "Deposit pending"))


def test_the_input_comes_from_a_file_or_standard_input(
    server: ServerProcess, transfer: str, tmp_path: Any
) -> None:
    file = tmp_path / "input.json"
    file.write_text(transfer)

    answers = [
        document(saga(server, "start", "transfer-funds", f"@{file}", "--json")),
        document(saga(server, "start", "transfer-funds", "-", "--json", stdin=transfer)),
    ]

    assert [answer["input"] for answer in answers] == [json.loads(transfer)] * 2


def test_who_asks_is_recorded(server: ServerProcess, http: httpx.Client, transfer: str) -> None:
    started = document(saga(server, "start", "transfer-funds", transfer, "--json"))

    requested = http.get(f"/sagas/{started['saga_id']}/journal").json()["entries"][0]

    assert requested["metadata"]["actor"] not in ("", "anonymous")


def test_watch_prints_a_line_for_each_change_until_the_end(
    server: ServerProcess, http: httpx.Client, customer: str
) -> None:
    order = order_of(customer, stock_of(http, 1))
    started = http.post("/sagas/fulfil-order", json=order).json()["saga_id"]

    watched = saga(server, "watch", started, "--json")
    again = saga(server, "watch", started)

    views = [json.loads(line) for line in watched.stdout.splitlines()]
    assert watched.returncode == 0
    assert views[-1] == http.get(f"/sagas/{started}").json()
    assert views[-1]["status"] == "completed"
    assert again.stdout.splitlines() == [
        f"{views[-1]['updated_at']}  {started}  completed  9 CompleteOrder succeeded"
    ]


def test_a_saga_is_undone_from_the_command_line(server: ServerProcess, transfer: str) -> None:
    started = document(saga(server, "start", "transfer-funds", transfer, "--wait", "--json"))["saga_id"]

    asked = document(saga(server, "compensate", started, "--reason", "wrong account", "--json"))
    saga(server, "watch", started)

    assert asked["status"] in ("compensating", "compensated")  # as it is when it is answered
    shown = saga(server, "show", started)
    assert "compensated" in shown.stdout
    assert "requested: wrong account" in shown.stdout


def test_lists_events_and_aggregates_are_shown(server: ServerProcess, transfer: str) -> None:
    source = json.loads(transfer)["source"]
    started = document(saga(server, "start", "transfer-funds", transfer, "--wait", "--json"))["saga_id"]

    stream = document(saga(server, "events", "--stream", f"account-{source}", "--json"))
    aggregate = document(saga(server, "aggregate", "account", source, "--json"))
    page = document(saga(server, "events", "--after", "1", "--limit", "2", "--json"))

    assert [event["type"] for event in stream["events"]][-1] == "MoneyWithdrawn"
    assert aggregate["state"]["balance"] == 60
    assert [event["position"] > 1 for event in page["events"]] == [True, True]
    assert document(saga(server, "list", "--name", "transfer-funds", "--limit", "1", "--json"))["sagas"]
    oldest_first = document(saga(server, "list", "--sort", "requested", "--json"))["sagas"]
    positions = [each["position"] for each in oldest_first]
    assert positions == sorted(positions)
    for arguments, words in [
        (("events", "--stream", f"account-{source}"), ("MoneyWithdrawn", f"account-{source}")),
        (("aggregate", "account", source), ("balance", "60")),
        (("list", "--limit", "500"), ("transfer-funds", "completed")),
    ]:
        shown = saga(server, *arguments)
        assert shown.returncode == 0
        assert all(word in shown.stdout for word in words)
    assert saga(server, "events", "--stream", f"saga-{started}").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("show", "nobody"), "there is no saga 'nobody' (saga-not-found)"),
        (("watch", "nobody"), "there is no saga 'nobody' (saga-not-found)"),
        (("show", "a/b?c"), "Not Found (not-found)"),
        (("start", "nonsense", "{}"), "no saga is called 'nonsense' (unknown-saga)"),
        (("start", "transfer-funds", "{"), "the input is not JSON: "),
        (("start", "transfer-funds", "[1]"), "the input must be a JSON object"),
        (("start", "transfer-funds", "@/no/such/file"), "cannot read /no/such/file: "),
        (("start", "transfer-funds", '{"source": "a", "target": "b"}'), "money: Field required (invalid)"),
        (("start", "transfer-funds", "{}", "--id", "a b"), "an id has at most 120 "),
        (("start", "transfer-funds", "{}", "--id", "é"), "an id has at most 120 "),
        (("start", "transfer-funds", "{}", "--id", ""), "an id has at most 120 "),
        (("start", "transfer-funds", '{"a": NaN}'), "the input is not JSON: "),
        (("start", "transfer-funds", '{"a": "\\ud800"}'), "the input is not JSON: "),
        (("start", "transfer-funds", '{"a": "\udcff"}'), "the input is not JSON: "),
        (("start", "transfer-funds", "--batch", "[NaN]"), "the input is not JSON: "),
        (("show", "\udcff"), "saga_id: String should match"),
        (("abandon", "nobody", "--reason", "\udcff"), "what is sent must be UTF-8"),
        (("list", "--name", "\udcff"), "what is sent must be UTF-8"),
        (("compensate", "nobody", "--reason", "x"), "there is no saga 'nobody' (saga-not-found)"),
        (("aggregate", "account", "nobody"), "there is no account 'nobody' (not-found)"),
        (("aggregate", "nonsense", "x"), "there is no aggregate 'nonsense'; there are order, stock"),
        (("events", "--stream", "account-nobody"), "nothing was ever appended to account-nobody"),
        (("list", "--status", "happy"), "status: Input should be 'queued', 'running'"),
        (("list", "--after", "junk"), "after: "),
        (("list", "--sort", "name"), "sort: Input should be 'requested', '-requested'"),
    ],
)
def test_what_goes_wrong_is_one_line(server: ServerProcess, arguments: tuple[str, ...], error: str) -> None:
    assert error_line(saga(server, *arguments)).startswith(error)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("show",),
        ("list", "--limit", "0"),
        ("compensate", "x"),
        ("serve", "--port", "70000"),
        ("start", "x", "{}", "--nonsense"),
    ],
)
def test_a_wrong_call_is_told_how_to_call(arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)

    assert outcome.returncode == 2
    assert "Usage:" in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_server_that_is_not_there_is_one_line() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    assert error_line(run("list", SAGA_URL=url)) == (
        f"no server at {url}: start one with `saga serve`, or set SAGA_URL"
    )
    assert error_line(run("list", SAGA_URL="ftp://x")).startswith("SAGA_URL must start with http://")


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://", "http://host:port", "http://ä..b", "http://a\nb", "http://\udcff"]
)
def test_an_address_that_is_none_is_one_line(url: str) -> None:
    assert "http:" in error_line(run("list", SAGA_URL=url))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"SAGA_DATA_DIR": "/proc/foo"}, "cannot use the data directory /proc/foo: "),
        ({"SAGA_DATA_DIR": f"{__file__}/foo"}, "cannot use the data directory "),
        ({"SAGA_DATA_DIR": __file__}, "cannot use the data directory "),
        ({"SAGA_PORT": "0"}, "the demonstration must know its port"),
    ],
)
def test_a_demonstration_that_cannot_be_given_is_one_line(settings: dict[str, str], error: str) -> None:
    assert error_line(run("demo", **{"SAGA_PORT": str(free_port()), **settings})).startswith(error)


def test_migrating_says_so_as_json_too(database: Database) -> None:
    urls = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}

    assert document(run("migrate", "--json", **urls)) == {"migrated": True}
    assert run("migrate", **urls).stdout == "the database is up to date\n"


def test_help_names_every_command() -> None:
    shown = run("--help")

    assert shown.returncode == 0
    for name in ("serve", "start", "list", "watch", "signal", "compensate", "bulk", "events", "aggregate"):
        assert f" {name} " in shown.stdout
        assert "--help" in run(name, "--help").stdout
