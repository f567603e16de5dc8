"""The commands of operators, as processes against a server that runs scripted sagas."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.server import ROOT, Json, command, environment, until
from tests.recovery.scripted import (
    NO_ACCOUNT,
    await_status,
    balance,
    book,
    child,
    deposit,
    run_script,
    wait,
)
from tests.recovery.shop import behave, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Outcome = subprocess.CompletedProcess[str]


class Terminal:
    """Runs `saga …` against one server."""

    def __init__(self, url: str) -> None:
        self.env = environment(SAGA_URL=url)

    def run(self, *arguments: str, stdin: str | None = None) -> Outcome:
        return subprocess.run(
            command(*arguments),
            cwd=ROOT,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def shown(self, *arguments: str) -> str:
        outcome = self.run(*arguments)
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout

    def document(self, *arguments: str, stdin: str | None = None) -> Json:
        outcome = self.run(*arguments, "--json", stdin=stdin)
        assert outcome.returncode == 0, outcome.stderr
        printed: Json = json.loads(outcome.stdout)
        return printed

    def error(self, *arguments: str) -> str:
        outcome = self.run(*arguments)
        assert (outcome.returncode, outcome.stdout) == (1, "")
        [line] = outcome.stderr.splitlines()
        return line


@pytest.fixture
def terminal(scripts: httpx.Client) -> Iterator[Terminal]:
    return Terminal(str(scripts.base_url).rstrip("/"))


def stuck(http: httpx.Client, name: str) -> None:
    behave(http, mode="refuse", operation="cancel")
    run_script(http, name, deposit(f"{name}-a"), book(name), NO_ACCOUNT, group="stuck")
    await_status(http, name, "stuck")


def test_a_signal_is_sent(scripts: httpx.Client, terminal: Terminal, tmp_path: Path) -> None:
    run_script(scripts, "signalled", wait(), wait(), wait(), order="1")
    await_status(scripts, "signalled", "waiting")
    file = tmp_path / "signal.json"
    file.write_text('{"amount": 1, "note": "from a file"}')

    waits = terminal.shown("show", "signalled")
    first = terminal.document("signal", "signalled", "go", '{"amount": 1}', "--id", "one")
    again = terminal.document("signal", "signalled", "go", '{"amount": 1}', "--id", "one")
    terminal.document("signal", "signalled", "go", f"@{file}")
    terminal.document("signal", "signalled", "go", "-", stdin='{"amount": 2, "note": "typed"}')

    assert "waits for the signal go" in waits
    assert "attributes: order=1" in waits
    assert first["saga_id"] == again["saga_id"] == "signalled"
    ended = await_status(scripts, "signalled", "completed")
    assert ended["result"] == {"heard": ["go", "from a file", "typed"]}
    line = terminal.error("signal", "signalled", "nonsense")
    assert line == "saga: scripted receives no signal 'nonsense'; it receives go (unknown-signal)"


def test_a_preview_is_shown_and_then_done(scripts: httpx.Client, terminal: Terminal) -> None:
    run_script(scripts, "looked", deposit("looked-a"), child("looked-child", deposit("looked-b")))
    await_status(scripts, "looked", "completed")
    scripts.post(
        "/aggregates/account/looked-a/deposit", json={"money": {"amount": 5, "currency": "USD"}}
    ).raise_for_status()

    shown = terminal.shown("compensate", "looked", "--preview")
    seen = terminal.document("compensate", "looked", "--preview")
    version = str(seen["journal_version"])
    late = terminal.error("compensate", "looked", "--reason", "x", "--if-version", "1")
    done = terminal.document("compensate", "looked", "--reason", "x", "--if-version", version)

    assert "a preview, not a lock" in shown
    assert "2 > 1" in shown
    assert "account-looked-a 2 to 3: MoneyDeposited" in shown
    assert seen["preview"] is True
    assert late.endswith("(version-mismatch)")
    assert done["requested"]["reason"] == "x"
    await_status(scripts, "looked", "compensated")
    people = terminal.shown("show", "looked")
    assert "child: looked-child (step 2)" in people
    assert "asked to be undone by " in people
    assert "parent: looked (its step 2)" in terminal.shown("show", "looked-child")


def test_a_saga_goes_back_to_a_step(scripts: httpx.Client, terminal: Terminal) -> None:
    run_script(scripts, "back", deposit("back-a"), deposit("back-b"), wait())
    await_status(scripts, "back", "waiting")

    terminal.document("compensate", "back", "--reason", "x", "--to-step", "1")

    await_status(scripts, "back", "stuck")
    assert balance(scripts, "back-b") == 0
    terminal.document("resume", "back", "--reason", "x")
    await_status(scripts, "back", "waiting")
    assert balance(scripts, "back-b") == 1


def test_a_stuck_saga_is_retried_skipped_and_abandoned(scripts: httpx.Client, terminal: Terminal) -> None:
    for name in ("cli-retry", "cli-skip", "cli-abandon"):
        stuck(scripts, name)
    assert "stuck, compensation-failed at step 2: " in terminal.shown("show", "cli-retry")

    terminal.document("skip", "cli-skip", "--reason", "by hand", "--step", "2")
    abandoned = terminal.document("abandon", "cli-abandon", "--reason", "closed")
    behave(scripts, mode="ok")
    terminal.document("retry", "cli-retry", "--reason", "the carrier is back")

    assert abandoned["status"] == "abandoned"
    await_status(scripts, "cli-skip", "abandoned")
    await_status(scripts, "cli-retry", "compensated")
    shown = terminal.shown("show", "cli-abandon")
    assert "left as it is: Deposit (step 1), book-carrier (step 2)" in shown
    line = terminal.error("retry", "cli-retry", "--reason", "x")
    assert line.endswith("the saga is compensated (not-possible)")


def test_the_next_attempt_is_shown(scripts: httpx.Client, terminal: Terminal) -> None:
    behave(scripts, mode="fail", order_id="cli-later")
    run_script(scripts, "cli-later", book("cli-later"))
    until(lambda: (saga(scripts, "cli-later")["steps"] or [{"attempts": 0}])[0]["attempts"] >= 3)
    until(lambda: saga(scripts, "cli-later")["status"] == "waiting")

    shown = terminal.shown("show", "cli-later")

    if "waiting" in shown.splitlines()[0]:  # else the attempt was made meanwhile
        assert "step 1: attempt" in shown
    behave(scripts, mode="ok")
    await_status(scripts, "cli-later", "completed", "compensated")  # its attempts may be used up by now


def test_many_are_seen_and_then_acted_on(scripts: httpx.Client, terminal: Terminal) -> None:
    for number in (1, 2):
        run_script(scripts, f"many-{number}", deposit(f"many-{number}"), group="many")
        await_status(scripts, f"many-{number}", "completed")
    until(
        lambda: (
            len(
                scripts.get("/sagas", params={"attribute": "group:many", "status": "completed"}).json()[
                    "sagas"
                ]
            )
            == 2
        )
    )
    wanted = ("--attribute", "group=many", "--reason", "x")

    listed = terminal.document("list", "--attribute", "group=many")
    shown = terminal.shown("bulk", "compensate", *wanted)
    seen = terminal.document("bulk", "compensate", *wanted, "--status", "completed", "--dry-run")
    done = terminal.document("bulk", "compensate", *wanted, "--yes")

    assert [row["saga_id"] for row in listed["sagas"]] == ["many-2", "many-1"]
    assert "would-act" in shown
    assert "nothing was done; do it with --yes" in shown
    assert {each["outcome"] for each in seen["outcomes"]} == {"would-act"}
    assert {each["outcome"] for each in done["outcomes"]} == {"acted"}
    for number in (1, 2):
        await_status(scripts, f"many-{number}", "compensated")
    assert "no sagas" in terminal.shown("bulk", "retry", "--attribute", "group=none", "--reason", "x")


def test_a_saga_that_was_named_and_not_found_is_said(terminal: Terminal) -> None:
    outcome = terminal.run("bulk", "retry", "--reason", "x", "--id", "nobody")

    assert outcome.returncode == 1
    assert outcome.stderr == "saga: no such saga, or not one that the filter means: nobody\n"


def test_many_get_a_signal(scripts: httpx.Client, terminal: Terminal) -> None:
    names = {"told-1", "told-2"}
    for name in names:
        run_script(scripts, name, deposit(name), wait(), group="told")
        await_status(scripts, name, "waiting")
    given = ("--signal", "go", "--signal-id", "t1", "--data", '{"amount": 7}')
    wanted = ("bulk", "signal", *given, "--attribute", "group=told")
    until(lambda: len(terminal.document(*wanted)["outcomes"]) == len(names))

    told = [terminal.document(*wanted, "--yes") for _ in range(2)]

    assert {(each["saga_id"], each["outcome"]) for each in told[0]["outcomes"]} == {
        (name, "acted") for name in names
    }
    assert {each["outcome"] for each in told[1]["outcomes"]} <= {"nothing-to-do"}
    for name in names:
        await_status(scripts, name, "completed")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("signal", "nobody", "go", '{"amount": 1}'), "there is no saga 'nobody' (saga-not-found)"),
        (("signal", "nobody", "go", "[1]"), "the input must be a JSON object"),
        (("retry", "nobody", "--reason", "x"), "there is no saga 'nobody' (saga-not-found)"),
        (("abandon", "nobody", "--reason", "x"), "there is no saga 'nobody' (saga-not-found)"),
        (("compensate", "nobody", "--preview"), "there is no saga 'nobody' (saga-not-found)"),
        (("skip", "nobody", "--reason", "x", "--step", "y"), "step: "),
        (("list", "--attribute", "order"), "an attribute is NAME=VALUE, not order"),
        (("list", "--attribute", "a b=c"), "attribute: an attribute has 1 to 60 characters"),
        (("bulk", "retry", "--reason", "x"), "filter: must say which sagas (invalid)"),
        (("bulk", "retry", "--reason", "x", "--force", "--id", "x"), "force: retry takes none (invalid)"),
    ],
)
def test_what_goes_wrong_is_one_line(terminal: Terminal, arguments: tuple[str, ...], error: str) -> None:
    assert terminal.error(*arguments).startswith(f"saga: {error}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry", "x"),
        ("signal", "x"),
        ("compensate", "x"),
        ("bulk", "explode", "--reason", "x"),
        ("bulk", "retry", "--status", "stuck"),
        ("bulk", "signal", "--signal", "go", "--status", "waiting"),
        ("abandon", "x", "--reason", "x", "--if-version", "y"),
    ],
)
def test_a_wrong_call_is_told_how_to_call(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    outcome = terminal.run(*arguments)

    assert outcome.returncode == 2
    assert "Usage:" in outcome.stderr
    assert "Traceback" not in outcome.stderr
