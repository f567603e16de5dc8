"""One action on many sagas over HTTP: first seen, then done, each saga for itself."""

from typing import Any

import httpx
import pytest

from tests.acceptance.server import Json, until
from tests.recovery.scripted import NO_ACCOUNT, ask, await_status, balance, book, deposit, run_script, wait
from tests.recovery.shop import behave, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def bulk(http: httpx.Client, action: str, wanted: Json, **more: Any) -> Json:
    reason = {} if action == "signal" else {"reason": "together"}
    body = {"action": action, "filter": wanted, **reason, **more}
    answer: Json = http.post("/sagas/bulk", json=body).raise_for_status().json()
    return answer


def outcomes(answer: Json) -> dict[str, str]:
    return {each["saga_id"]: each["outcome"] for each in answer["outcomes"]}


def listed(http: httpx.Client, expected: set[str], **query: Any) -> None:
    """Wait until the list, which lags, has them."""
    until(lambda: {row["saga_id"] for row in http.get("/sagas", params=query).json()["sagas"]} == expected)


def waiting(http: httpx.Client, group: str, *numbers: int) -> set[str]:
    ids = {run_script(http, f"{group}-{n}", deposit(f"{group}-{n}"), wait(), group=group) for n in numbers}
    for saga_id in ids:
        await_status(http, saga_id, "waiting")
    listed(http, ids, attribute=f"group:{group}", status="waiting")
    return ids


def entries(http: httpx.Client, saga_id: str, kind: str) -> list[Json]:
    """Those of this kind in the journal of a saga."""
    answer = http.get(f"/streams/saga-{saga_id}", params={"limit": 1000}).raise_for_status().json()
    return [event for event in answer["events"] if event["type"] == kind]


def test_nothing_is_done_unless_it_is_said(scripts: httpx.Client) -> None:
    ids = waiting(scripts, "dry", 1, 2)
    before = [saga(scripts, saga_id) for saga_id in sorted(ids)]

    answer = bulk(scripts, "compensate", {"attributes": {"group": "dry"}})

    assert (answer["dry_run"], answer["next"]) == (True, None)
    assert outcomes(answer) == dict.fromkeys(ids, "would-act")
    assert {(each["status"], each["detail"]) for each in answer["outcomes"]} == {("waiting", "undo 1 steps")}
    assert [saga(scripts, saga_id) for saga_id in sorted(ids)] == before


def test_each_is_done_and_listed(scripts: httpx.Client) -> None:
    ids = waiting(scripts, "real", 1, 2, 3)

    answer = bulk(scripts, "compensate", {"attributes": {"group": "real"}}, dry_run=False)

    assert outcomes(answer) == dict.fromkeys(ids, "acted")
    for saga_id in ids:
        ended = await_status(scripts, saga_id, "compensated")
        assert ended["requested"]["reason"] == "together"
        assert balance(scripts, saga_id) == 0
    again = bulk(scripts, "compensate", {"attributes": {"group": "real"}}, dry_run=False)
    assert outcomes(again) == dict.fromkeys(ids, "nothing-to-do")


def test_one_that_refuses_does_not_stop_the_others(scripts: httpx.Client) -> None:
    behave(scripts, mode="refuse", operation="cancel")
    for name in ("mixed-1", "mixed-3"):
        run_script(scripts, name, book(name), NO_ACCOUNT, group="mixed")
    run_script(scripts, "mixed-2", deposit("mixed-2"), group="mixed")
    await_status(scripts, "mixed-2", "completed")
    for name in ("mixed-1", "mixed-3"):
        await_status(scripts, name, "stuck")
    listed(scripts, {"mixed-1", "mixed-2", "mixed-3"}, attribute="group:mixed")

    seen = bulk(scripts, "skip", {"attributes": {"group": "mixed"}})
    done = bulk(scripts, "skip", {"attributes": {"group": "mixed"}}, dry_run=False)

    assert outcomes(seen) == {"mixed-1": "would-act", "mixed-2": "refused", "mixed-3": "would-act"}
    assert outcomes(done) == {"mixed-1": "acted", "mixed-2": "refused", "mixed-3": "acted"}
    [refused] = [each for each in done["outcomes"] if each["outcome"] == "refused"]
    assert (refused["code"], refused["detail"]) == ("not-possible", "the saga is completed, not stuck")
    assert await_status(scripts, "mixed-1", "abandoned")["left"]
    await_status(scripts, "mixed-3", "abandoned")


def test_one_that_is_not_any_more_what_was_asked_for_is_left_alone(scripts: httpx.Client) -> None:
    """The list may still call it waiting, or not any more: asked at once, both happen."""
    [saga_id] = waiting(scripts, "moved", 1)

    ask(scripts, saga_id, "abandon").raise_for_status()
    answer = bulk(scripts, "compensate", {"status": "waiting", "ids": [saga_id]}, force=True, dry_run=False)

    for each in answer["outcomes"]:  # none, when the list has caught up already
        assert (each["outcome"], each["code"]) == ("refused", "not-possible")
        assert each["detail"] == "the filter does not mean it any more: it is abandoned"
    assert saga(scripts, saga_id)["status"] == "abandoned"


def test_only_what_is_still_as_it_was_seen_is_acted_on_and_once(scripts: httpx.Client) -> None:
    same, moved = sorted(waiting(scripts, "seen", 1, 2))
    wanted = {"ids": [same, moved]}
    dry: Json = scripts.post("/sagas/bulk", json={"action": "abandon", "filter": wanted}).json()
    fields = ("saga_id", "status", "journal_version")
    seen = [{field: each[field] for field in fields} for each in dry["outcomes"]]
    ask(scripts, moved, "compensate").raise_for_status()
    await_status(scripts, moved, "compensated")

    first = bulk(scripts, "abandon", wanted, seen=seen, dry_run=False)
    again = bulk(scripts, "abandon", wanted, seen=seen, dry_run=False)

    assert outcomes(first) == {same: "acted", moved: "refused"}
    assert outcomes(again) == {same: "nothing-to-do", moved: "refused"}
    [refused] = [each for each in first["outcomes"] if each["outcome"] == "refused"]
    assert refused["code"] == "version-mismatch"
    assert refused["detail"].startswith("it is not any more as it was seen: compensated now")
    assert len(entries(scripts, same, "SagaAbandoned")) == 1


def test_a_signal_goes_to_many_and_counts_once_in_each(scripts: httpx.Client) -> None:
    ids = waiting(scripts, "all", 1, 2)
    signal = {"signal": "go", "id": "one", "data": {"amount": 1, "note": "all of you"}}

    seen = bulk(scripts, "signal", {"attributes": {"group": "all"}}, **signal)
    done = bulk(scripts, "signal", {"attributes": {"group": "all"}}, **signal, dry_run=False)

    assert {each["detail"] for each in seen["outcomes"]} == {"wake it by the signal"}
    assert outcomes(done) == dict.fromkeys(ids, "acted")
    for saga_id in ids:
        assert await_status(scripts, saga_id, "completed")["result"] == {"heard": ["all of you"]}
    again = bulk(scripts, "signal", {"ids": sorted(ids)}, **signal, dry_run=False)
    assert outcomes(again) == dict.fromkeys(ids, "nothing-to-do")
    wrong = bulk(scripts, "signal", {"ids": sorted(ids)}, signal="go", id="two", data={"amount": "x"})
    assert {each["code"] for each in wrong["outcomes"]} == {"invalid"}
    assert all(each["detail"].startswith("data.amount: ") for each in wrong["outcomes"])


def test_the_rest_is_found_by_the_cursor(scripts: httpx.Client) -> None:
    ids = waiting(scripts, "page", 1, 2, 3)
    seen: list[str] = []
    cursor: str | None = None

    for size in (2, 1):
        answer = bulk(scripts, "abandon", {"attributes": {"group": "page"}}, limit=2, after=cursor)
        assert len(answer["outcomes"]) == size
        seen += outcomes(answer)
        cursor = answer["next"]

    assert cursor is None
    assert sorted(seen) == sorted(ids)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"filter": {}}, "filter"),
        ({"filter": {"attributes": {}, "ids": []}}, "filter"),
        ({"filter": None}, "filter"),
        ({"filter": {"status": "happy"}}, "filter.status"),
        ({"filter": {"surprise": 1}}, "filter.surprise"),
        ({"filter": {"attributes": {"a b": "c"}}}, "filter.attributes"),
        ({"filter": {"attributes": {"a": "\0"}}}, "filter.attributes"),
        ({"filter": {"requested_after": "2026-01-31T12:00:00"}}, "filter.requested_after"),
        ({"filter": {"ids": ["a b"]}}, "filter.ids.0"),
        ({"filter": {"ids": ["x"] * 501}}, "filter.ids"),
        ({"action": "explode"}, "action"),
        ({"reason": None, "dry_run": False}, "reason"),
        ({"limit": 501}, "limit"),
        ({"seen": [{"saga_id": "x", "status": "stuck", "journal_version": 0}]}, "seen.0.journal_version"),
        ({"seen": [{"saga_id": "x", "status": "stuck"}]}, "seen.0.journal_version"),
        ({"after": "junk"}, "after"),
        ({"force": True}, "force"),
        ({"action": "signal", "id": "one"}, "signal"),
        ({"signal": "go"}, "signal"),
    ],
)
def test_a_wrong_field_is_named(scripts: httpx.Client, change: Json, field: str) -> None:
    body = {"action": "retry", "filter": {"status": "stuck"}, "reason": "x", **change}

    answer = scripts.post("/sagas/bulk", json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_signal_without_an_id_is_refused_as_it_could_count_twice(scripts: httpx.Client) -> None:
    [saga_id] = waiting(scripts, "twice", 1)
    before = saga(scripts, saga_id)
    body = {"action": "signal", "filter": {"ids": [saga_id]}, "signal": "go", "data": {"amount": 1}}

    for dry_run in (True, False):
        answer = scripts.post("/sagas/bulk", json={**body, "dry_run": dry_run})
        assert answer.status_code == 422
        assert answer.json()["errors"] == [{"field": "id", "message": "signal needs it"}]
    assert saga(scripts, saga_id) == before


def test_a_signal_whose_answer_was_lost_is_sent_again_and_counts_once(scripts: httpx.Client) -> None:
    """The sagas hear two signals before they end: one that counted twice would end them."""
    name = "lost"
    ids = {
        run_script(scripts, f"{name}-{n}", deposit(f"{name}-{n}"), wait(), wait(), group=name) for n in (1, 2)
    }
    for saga_id in ids:
        await_status(scripts, saga_id, "waiting")
    listed(scripts, ids, attribute=f"group:{name}", status="waiting")
    signal = {"signal": "go", "id": "once", "data": {"amount": 1, "note": "now"}, "dry_run": False}

    bulk(scripts, "signal", {"attributes": {"group": name}}, **signal)
    again = bulk(scripts, "signal", {"attributes": {"group": name}}, **signal)

    assert outcomes(again) == dict.fromkeys(ids, "nothing-to-do")
    for saga_id in ids:
        taken = [each["data"]["id"] for each in entries(scripts, saga_id, "SignalReceived")]
        assert taken == ["once"]
        assert await_status(scripts, saga_id, "waiting")["ended_at"] is None


def test_sagas_are_listed_by_what_they_are(scripts: httpx.Client) -> None:
    run_script(scripts, "tea", deposit("tea"), kind="tea", size="big")
    run_script(scripts, "cup", deposit("cup"), kind="cup", size="big")

    listed(scripts, {"tea", "cup"}, attribute="size:big")
    listed(scripts, {"tea"}, attribute=["size:big", "kind:tea"])
    listed(scripts, set(), attribute=["size:big", "kind:tea"], status="stuck")
    [row] = scripts.get("/sagas", params={"attribute": "kind:tea"}).json()["sagas"]
    assert row["attributes"] == {"kind": "tea", "size": "big"}
    assert row["parent"] is None
    listed(scripts, {"tea"}, correlation_id="tea")
    at = saga(scripts, "tea")["requested_at"]
    listed(scripts, {"tea"}, attribute="size:big", requested_before=saga(scripts, "cup")["requested_at"])
    listed(scripts, {"cup", "tea"}, attribute="size:big", requested_after=at)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"attribute": "order"}, "attribute"),
        ({"attribute": "a b:c"}, "attribute"),
        ({"attribute": "a:\0"}, "attribute"),
        ({"attribute": ["a:1", "a:2"]}, "attribute"),
        ({"attribute": [f"a{n}:1" for n in range(21)]}, "attribute"),
        ({"requested_after": "yesterday"}, "requested_after"),
        ({"requested_after": "2026-01-31T12:00:00"}, "requested_after"),
        ({"parent": "a/b"}, "parent"),
        ({"correlation_id": ""}, "correlation_id"),
    ],
)
def test_a_wrong_filter_is_named(scripts: httpx.Client, query: Json, field: str) -> None:
    answer = scripts.get("/sagas", params=query)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
