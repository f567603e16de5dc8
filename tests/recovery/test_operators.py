"""What operators ask of one saga over HTTP: preview, compensate, retry, resume, skip, abandon."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.acceptance.server import Json, money, until
from tests.conftest import Database
from tests.recovery.launcher import serving
from tests.recovery.scripted import (
    NO_ACCOUNT,
    PIVOT,
    ask,
    await_status,
    balance,
    book,
    child,
    deposit,
    run_script,
    serve_scripted,
    undone,
    wait,
)
from tests.recovery.shop import Look, behave, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ACTIONS = ("compensate", "retry", "resume", "skip", "abandon")


def stuck_at_a_booking(http: httpx.Client, name: str) -> Json:
    """A saga whose second compensation is refused; the first step is still to be undone."""
    behave(http, mode="refuse", operation="cancel", order_id=name)
    run_script(http, name, deposit(f"{name}-a"), book(name), NO_ACCOUNT)
    return await_status(http, name, "stuck")


def test_a_preview_lists_what_would_run_and_what_changed_and_changes_nothing(scripts: httpx.Client) -> None:
    lines = (deposit("p-a"), book("preview"), child("p-child", deposit("p-c")))
    run_script(scripts, "preview", *lines)
    before = await_status(scripts, "preview", "completed")
    scripts.post("/aggregates/account/p-a/deposit", json={"money": money(5)}).raise_for_status()

    answer = scripts.post("/sagas/preview/compensate", json={"preview": True})

    assert answer.status_code == 200
    assert answer.headers["ETag"] == f'"{before["journal_version"]}"'
    seen = answer.json()
    assert (seen["preview"], seen["possible"], seen["blocked_by"]) == (True, True, [])
    assert "not a lock" in seen["note"]
    assert seen["journal_version"] == before["journal_version"]
    asked = [(each["step"], each["kind"], each["name"]) for each in seen["commands"]]
    assert asked == [
        ("3", "saga", "CompensationRequested"),
        ("2", "call", "cancel-booking"),
        ("1", "command", "Withdraw"),
    ]
    assert [each["name"] for each in seen["commands"][0]["saga"]["commands"]] == ["Withdraw"]
    assert seen["commands"][2]["data"]["account_id"] == "p-a"
    assert seen["commands"][2]["aggregate"] == {
        "stream": "account-p-a",
        "version_then": 2,
        "version_now": 3,
        "changed": True,
        "events_since": ["MoneyDeposited"],
    }
    assert saga(scripts, "preview") == before


def test_a_preview_says_what_blocks_and_force_undoes_the_rest(scripts: httpx.Client) -> None:
    run_script(scripts, "pivot", deposit("v-a"), PIVOT, deposit("v-b"))
    await_status(scripts, "pivot", "completed")

    seen = scripts.post("/sagas/pivot/compensate", json={"preview": True}).json()
    refused = ask(scripts, "pivot", "compensate")
    forced = ask(scripts, "pivot", "compensate", force=True)

    assert not seen["possible"]
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot-compensate")
    assert refused.json()["detail"] == "; ".join(seen["blocked_by"])
    assert [each["step"] for each in seen["without_compensation"]] == ["2"]
    assert forced.status_code == 202
    ended = await_status(scripts, "pivot", "abandoned")
    assert ended["left"] == [{"step": "2", "name": "Deposit"}]
    assert (balance(scripts, "v-a"), balance(scripts, "v-b")) == (0, 1)


def test_a_saga_goes_back_to_a_step_and_forward_again(scripts: httpx.Client) -> None:
    run_script(scripts, "back", deposit("b-a"), deposit("b-b"), wait())
    await_status(scripts, "back", "waiting")

    assert ask(scripts, "back", "compensate", to_step="1").status_code == 202
    stopped = await_status(scripts, "back", "stuck")
    assert stopped["stuck"]["reason"] == "undone-to-step"
    assert (balance(scripts, "b-a"), balance(scripts, "b-b")) == (1, 0)

    assert ask(scripts, "back", "resume").status_code == 202
    await_status(scripts, "back", "waiting")
    assert (balance(scripts, "b-a"), balance(scripts, "b-b")) == (1, 1)


def test_of_two_operators_who_saw_the_same_one_wins_and_the_other_is_told(scripts: httpx.Client) -> None:
    run_script(scripts, "two", deposit("t-a"), wait())
    await_status(scripts, "two", "waiting")
    seen = scripts.get("/sagas/two").headers["ETag"]

    def act(name: str) -> httpx.Response:
        headers = {"If-Match": seen, "X-Actor": name}
        return scripts.post("/sagas/two/compensate", json={"reason": name}, headers=headers)

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(act, ("ana", "ben")))

    assert sorted(answer.status_code for answer in answers) == [202, 412]
    [won] = [answer.json() for answer in answers if answer.status_code == 202]
    [lost] = [answer.json() for answer in answers if answer.status_code == 412]
    assert lost["code"] == "version-mismatch"
    assert lost["current_version"] > int(seen.strip('"'))
    assert won["requested"]["actor"] in ("ana", "ben")


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_keeps_to_the_version_that_was_seen(scripts: httpx.Client, action: str) -> None:
    run_script(scripts, f"old-{action}", deposit(f"old-{action}"))
    now = await_status(scripts, f"old-{action}", "completed")["journal_version"]

    answer = scripts.post(
        f"/sagas/old-{action}/{action}", json={"reason": "x"}, headers={"If-Match": f'"{now - 1}"'}
    )

    assert (answer.status_code, answer.json()["current_version"]) == (412, now)
    assert saga(scripts, f"old-{action}")["journal_version"] == now


def test_asking_twice_undoes_once_and_says_who_asked(scripts: httpx.Client, shared_look: Look) -> None:
    run_script(scripts, "again", deposit("g-a"))
    await_status(scripts, "again", "completed")

    answers = [
        scripts.post("/sagas/again/compensate", json={"reason": "x"}, headers={"X-Actor": name})
        for name in ("ana", "ben")
    ]
    await_status(scripts, "again", "compensated")

    assert [answer.json()["requested"]["actor"] for answer in answers] == ["ana", "ana"]
    assert len(shared_look.journal("again", "CompensationRequested")) == 1
    assert balance(scripts, "g-a") == 0


def test_a_stuck_saga_is_retried(scripts: httpx.Client) -> None:
    stuck = stuck_at_a_booking(scripts, "retried")
    assert undone(stuck["steps"])["2"] == "failed"
    behave(scripts, mode="ok")

    assert ask(scripts, "retried", "retry").status_code == 202

    await_status(scripts, "retried", "compensated")
    assert balance(scripts, "retried-a") == 0


def test_a_stuck_saga_leaves_a_compensation_out(scripts: httpx.Client) -> None:
    stuck_at_a_booking(scripts, "skipped")
    wrong = ask(scripts, "skipped", "skip", step="1")

    skipped = ask(scripts, "skipped", "skip", step="2")

    assert (wrong.status_code, wrong.json()["code"]) == (409, "not-possible")
    assert skipped.status_code == 202
    ended = await_status(scripts, "skipped", "abandoned")
    assert ended["left"] == [{"step": "2", "name": "book-carrier"}]
    assert undone(ended["steps"]) == {"1": "compensated", "2": "skipped", "3": None}
    assert balance(scripts, "skipped-a") == 0


def test_a_stuck_saga_is_abandoned(scripts: httpx.Client) -> None:
    stuck_at_a_booking(scripts, "given-up")

    answer = ask(scripts, "given-up", "abandon")

    assert answer.status_code == 200
    assert answer.json()["status"] == "abandoned"
    assert [each["step"] for each in answer.json()["left"]] == ["1", "2"]
    assert ask(scripts, "given-up", "abandon").json() == answer.json()


def test_a_stuck_saga_holds_up_nobody(database: Database) -> None:
    """It keeps neither the only slot of the server, nor an account that it has touched."""
    with (
        serving(database, serve_scripted, SAGA_SLOTS="1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        stuck = stuck_at_a_booking(http, "in-the-way")

        run_script(http, "beside", deposit("in-the-way-a"), book("beside"), deposit("beside-b"))

        await_status(http, "beside", "completed")
        assert balance(http, "in-the-way-a") == 2
        assert saga(http, "in-the-way") == stuck


def test_the_next_attempt_of_a_call_is_made_now(scripts: httpx.Client, shared_look: Look) -> None:
    behave(scripts, mode="fail", order_id="later")
    run_script(scripts, "later", book("later"))
    until(lambda: _waits_for_an_attempt(scripts, "later"))
    behave(scripts, mode="ok")

    assert ask(scripts, "later", "retry").status_code in (202, 409)  # its own time may have come first

    await_status(scripts, "later", "completed")


def _waits_for_an_attempt(http: httpx.Client, saga_id: str) -> bool:
    found = saga(http, saga_id)
    return found["status"] == "waiting" and found["steps"][0]["retry_at"] is not None


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_needs_a_saga_and_a_reason(scripts: httpx.Client, action: str) -> None:
    unknown = ask(scripts, "no-such-saga", action)
    unsaid = scripts.post(f"/sagas/no-such-saga/{action}", json={})
    wrong = scripts.post(f"/sagas/no-such-saga/{action}", json={"reason": "x", "nonsense": 1})

    assert (unknown.status_code, unknown.json()["code"]) == (404, "saga-not-found")
    assert [error["field"] for error in unsaid.json()["errors"]] == ["reason"]
    assert [error["field"] for error in wrong.json()["errors"]] == ["nonsense"]


@pytest.mark.parametrize("action", ["retry", "resume", "skip", "abandon"])
def test_a_completed_saga_refuses_what_it_cannot_do(scripts: httpx.Client, action: str) -> None:
    saga_id = f"done-{action}"
    run_script(scripts, saga_id, deposit(saga_id))
    await_status(scripts, saga_id, "completed")

    answer = ask(scripts, saga_id, action)

    assert (answer.status_code, answer.json()["code"]) == (409, "not-possible")
    assert "completed" in answer.json()["detail"]


@pytest.mark.parametrize("step", ["x", "1.", "", "1" * 20, 1])
def test_a_step_is_a_number(scripts: httpx.Client, step: object) -> None:
    for action, field in (("compensate", "to_step"), ("skip", "step")):
        answer = scripts.post(f"/sagas/x/{action}", json={"reason": "x", field: step})

        assert [error["field"] for error in answer.json()["errors"]] == [field]
