"""One action on many sagas of the list: looked at first, then done to just what was seen, once."""

import asyncio
import re
from html import unescape

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.server import Json, ServerProcess, money, unique, until
from tests.console.business import Business
from tests.console.pages import (
    HTML,
    NARROW,
    WIDE,
    check_accessible,
    check_headings,
    check_layout,
    csrf_in,
    in_browser,
    opened,
    shown,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

LIST = "/console/sagas"
PREVIEW = "/console/sagas/bulk"
ACT = "/console/sagas/bulk/act"
APPROVAL = {"data.approved": "false", "data.by": "chloe"}
Fields = dict[str, str | list[str]]


def transfer(http: httpx.Client, saga_id: str, **query: str) -> str:
    """A transfer that has completed, or with `at` one that waits for its time."""
    body = {"source": "ana", "target": "ben", "money": money(100)}
    headers = {"Idempotency-Key": saga_id} | ({} if query else {"Prefer": "wait=30"})
    path = "/sagas/transfer-funds"
    http.post(path, json=body, headers=headers, params=query).raise_for_status()
    wanted = "queued" if query else "completed"
    until(lambda: status(http, saga_id) == wanted == listed(http, saga_id))
    return saga_id


def queued(http: httpx.Client, *names: str) -> list[str]:
    return [transfer(http, name, at="2099-01-01T00:00:00Z") for name in names]


def status(http: httpx.Client, saga_id: str) -> str:
    told: str = http.get(f"/sagas/{saga_id}").raise_for_status().json()["status"]
    return told


def listed(http: httpx.Client, saga_id: str) -> str | None:
    """Its status in the list, which is a moment behind."""
    rows = http.get("/sagas", params={"limit": 1000}).raise_for_status().json()["sagas"]
    return next((row["status"] for row in rows if row["saga_id"] == saga_id), None)


def listed_as(http: httpx.Client, wanted: str) -> list[str]:
    rows = http.get("/sagas", params={"status": wanted}).raise_for_status().json()["sagas"]
    return [row["saga_id"] for row in rows]


def entries(http: httpx.Client, saga_id: str, kind: str) -> list[Json]:
    journal = http.get(f"/sagas/{saga_id}/journal", params={"limit": 1000}).raise_for_status().json()
    return [entry for entry in journal["entries"] if entry["type"] == kind]


def send(http: httpx.Client, path: str, form: Fields) -> httpx.Response:
    return http.post(path, data={"csrf": csrf_in(shown(http, LIST)), **form}, headers=HTML)


def looked(http: httpx.Client, deed: str, **form: str | list[str]) -> str:
    """The preview."""
    answer = send(http, PREVIEW, {"do": deed, "which": "ticked", **form})
    assert answer.status_code == 200, answer.text
    return answer.text


def confirmation(text: str) -> Fields:
    """What the form of a preview sends."""
    [form] = re.findall(rf'<form[^>]* action="{ACT}">(.*?)</form>', text, re.S)
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        found.setdefault(name, []).append(unescape(value))
    return {name: values if name == "seen" else values[0] for name, values in found.items()}


def outcomes(text: str) -> dict[str, str]:
    """By the id of each saga in the tables of a page."""
    row = r'<th scope="row"><a class="mono" href="/console/sagas/([^"]+)">.*?</tr>'
    return {
        found[1]: re.findall(r'class="badge s-([a-z-]+)"', found[0])[-1]
        for found in re.finditer(row, text, re.S)
    }


def test_it_is_looked_at_first_then_done_once_and_each_is_told_of(
    http: httpx.Client, business: Business
) -> None:
    one, two = queued(http, "bulk-one", "bulk-two")
    done = transfer(http, "bulk-done")

    text = looked(http, "abandon", saga=[one, two, done, "nobody"])

    assert outcomes(text) == {one: "would-act", two: "would-act", done: "refused"}
    assert "the saga is completed already" in text
    assert '<li class="mono">nobody</li>' in text
    assert {status(http, one), status(http, two)} == {"queued"}

    form = {**confirmation(text), "reason": "the <i>fair</i> is off"}
    first, second = send(http, ACT, form), send(http, ACT, form)

    assert outcomes(first.text) == {one: "acted", two: "acted"}
    assert outcomes(second.text) == {one: "nothing-to-do", two: "nothing-to-do"}
    for saga_id in (one, two):
        [entry] = entries(http, saga_id, "SagaAbandoned")
        assert entry["data"]["reason"] == "the <i>fair</i> is off"
    assert status(http, done) == "completed"
    assert "<i>fair" not in shown(http, f"/console/sagas/{one}") + shown(http, "/console/audit") + first.text


def test_what_has_changed_since_it_was_seen_is_left_and_told(http: httpx.Client, business: Business) -> None:
    one, two = transfer(http, "bulk-same"), transfer(http, "bulk-moved")
    form = confirmation(looked(http, "compensate", saga=[one, two]))
    http.post(f"/sagas/{two}/compensate", json={"reason": "by another"}).raise_for_status()
    until(lambda: status(http, two) == "compensated")

    answer = send(http, ACT, {**form, "reason": "a mistake"})

    assert outcomes(answer.text) == {one: "acted", two: "refused"}
    assert "it is not any more as it was seen: compensated now" in answer.text
    until(lambda: status(http, one) == "compensated")
    assert [each["data"]["reason"] for each in entries(http, two, "CompensationRequested")] == ["by another"]


def test_a_form_that_is_sent_again_later_is_no_second_attempt(http: httpx.Client, business: Business) -> None:
    """The saga is stuck again by then: without its version it could be tried again."""
    form = confirmation(looked(http, "retry", saga=business.stuck)) | {"reason": "bulk, once"}

    assert outcomes(send(http, ACT, form).text) == {business.stuck: "acted"}
    until(lambda: len(entries(http, business.stuck, "SagaStuck")) == 2)
    again = send(http, ACT, form)

    assert outcomes(again.text) == {business.stuck: "nothing-to-do"}
    assert "this very request has done it already" in again.text
    asked = [each["data"]["reason"] for each in entries(http, business.stuck, "RetryRequested")]
    assert asked == ["bulk, once"]


def test_all_that_the_filter_means(http: httpx.Client, business: Business) -> None:
    parked = set(queued(http, "bulk-all-1", "bulk-all-2"))
    until(lambda: {status(http, saga_id) for saga_id in listed_as(http, "queued")} == {"queued"})
    text = looked(http, "abandon", which="all", name="transfer-funds", status="queued")

    assert outcomes(text).keys() >= parked
    assert set(outcomes(text).values()) == {"would-act"}
    late = queued(http, "bulk-all-3")[0]
    answer = send(http, ACT, {**confirmation(text), "reason": "none of them"})

    assert set(outcomes(answer.text).values()) == {"acted"}
    assert status(http, late) == "queued", "it was not seen"


def test_the_times_of_the_filter_are_part_of_it(http: httpx.Client, business: Business) -> None:
    [saga_id] = queued(http, unique("of-today"))
    requested = http.get(f"/sagas/{saga_id}").raise_for_status().json()["requested_at"]
    text = shown(http, LIST, name="transfer-funds", requested_before=requested)
    assert 'value="all"' in text
    assert f'name="requested_before" value="{requested[:19]}"' in text

    some: Fields = {"which": "all", "name": "transfer-funds", "status": "queued"}
    assert saga_id not in looked(http, "abandon", requested_before=requested, **some)
    assert saga_id in looked(http, "abandon", requested_after=requested, **some)


def test_all_on_the_page(http: httpx.Client, business: Business) -> None:
    ids = queued(http, "bulk-page-1", "bulk-page-2")

    text = looked(http, "abandon", which="shown", shown=ids)

    assert outcomes(text) == dict.fromkeys(ids, "would-act")


def returned(http: httpx.Client, order: str) -> str:
    """A return that waits for its approval."""
    body = {
        "order_id": order,
        "customer_id": "ana",
        "lines": [{"sku": "teapot", "quantity": 1}],
        "reason": "the lid is cracked",
    }
    saga_id: str = http.post("/sagas/return-order", json=body).raise_for_status().json()["saga_id"]
    until(lambda: status(http, saga_id) == "waiting" == listed(http, saga_id))
    return saga_id


def test_a_signal_asks_for_its_data_and_counts_once_in_each(http: httpx.Client, business: Business) -> None:
    saga_id = returned(http, "1001")
    choice: Fields = {"do": "signal:approval", "which": "ticked", "name": "return-order", "saga": saga_id}

    asked = send(http, PREVIEW, choice)
    assert 'name="data.approved"' in asked.text
    assert "What would be done" not in asked.text
    text = send(http, PREVIEW, {**choice, "complete": "true", **APPROVAL}).text
    assert outcomes(text) == {saga_id: "would-act"}
    wrong = send(http, PREVIEW, {**choice, "complete": "true", "data.by": "chloe"}).text
    assert outcomes(wrong) == {saga_id: "refused"}
    form = confirmation(text)
    first, second = send(http, ACT, form), send(http, ACT, form)

    assert outcomes(first.text) == {saga_id: "acted"}
    assert outcomes(second.text) == {saga_id: "nothing-to-do"}
    [entry] = entries(http, saga_id, "SignalReceived")
    assert (entry["data"]["id"], entry["data"]["data"]["by"]) == (form["id"], "chloe")


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        (PREVIEW, {"csrf": "x"}, 403),
        (PREVIEW, {"which": "ticked"}, 422),
        (PREVIEW, {"which": "all"}, 422),
        (PREVIEW, {"do": "explode"}, 422),
        (PREVIEW, {"do": ""}, 422),
        (PREVIEW, {"do": "signal:approval"}, 422),
        (PREVIEW, {"do": "signal:approval", "name": "no-such-saga", "saga": "x"}, 404),
        (PREVIEW, {"do": "signal:nothing", "name": "return-order", "saga": "x"}, 404),
        (PREVIEW, {"do": "signal:approval", "name": "return-order"}, 422),
        (PREVIEW, {"saga": "<script>alert(1)</script>"}, 422),
        (PREVIEW, {"saga": ["x"] * 501}, 422),
        (PREVIEW, {"saga": "personal:1:x"}, 422),
        (PREVIEW, {"colour": "red"}, 422),
        (ACT, {"csrf": "x"}, 403),
        (ACT, {"seen": []}, 422),
        (ACT, {"seen": "x"}, 422),
        (ACT, {"seen": "x@0@stuck"}, 422),
        (ACT, {"seen": "x@1@<b>"}, 422),
        (ACT, {"seen": [f"x-{number}@1@stuck" for number in range(501)]}, 422),
        (ACT, {"reason": " "}, 422),
        (ACT, {"reason": ""}, 422),
        (ACT, {"id": ""}, 422),
    ],
)
def test_a_form_that_is_wrong_is_told_so_and_does_nothing(
    http: httpx.Client, business: Business, path: str, form: Fields, status: int
) -> None:
    sound: Fields = {"do": "abandon", "which": "ticked"}
    if path == ACT:
        sound = {"do": "abandon", "id": "one", "seen": f"{business.waiting}@1@waiting", "reason": "to try"}

    answer = send(http, path, {**sound, **form})

    assert answer.status_code == status, answer.text
    assert "<h1>" in answer.text
    assert "<script>alert" not in answer.text
    assert entries(http, business.waiting, "SagaAbandoned") == []


@in_browser
async def test_two_are_ticked_looked_at_and_abandoned_with_the_keyboard(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    for width in (WIDE, NARROW):
        ids = await asyncio.to_thread(queued, http, unique("bulk-keys"), unique("bulk-keys"))
        async with opened(browser, f"{server.url}{LIST}?status=queued", width=width) as found:
            page = found.page
            for saga_id in ids:
                await page.get_by_label(f"Tick {saga_id}").focus()
                await page.keyboard.press("Space")
            await page.get_by_label("What to do").select_option("Abandon")
            await page.get_by_role("button", name="Show what would be done").press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Abandon: would be done to 2")
            await check_headings(page)
            await check_layout(page)
            await check_accessible(page)
            await page.get_by_label("Reason").fill("by hand")
            await page.get_by_role("button", name="Abandon: 2 sagas").press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Abandon: done to 2")
            await check_layout(page)
            await check_accessible(page)
        for saga_id in ids:
            assert await asyncio.to_thread(status, http, saga_id) == "abandoned"


@in_browser
async def test_the_form_of_a_signal_is_accessible(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    saga_id = await asyncio.to_thread(returned, http, "1001")
    async with opened(browser, f"{server.url}{LIST}?name=return-order") as found:
        page = found.page
        await page.get_by_label(f"Tick {saga_id}").check()
        await page.get_by_label("What to do").select_option("Send the signal approval")
        await page.get_by_role("button", name="Show what would be done").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Send the signal approval")
        await check_layout(page)
        await check_accessible(page)
