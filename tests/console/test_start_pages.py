"""The pages on which a saga is started by a form."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import Browser, expect

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from domain.personal import TOKEN_PREFIX
from tests.acceptance.secured import secured_server
from tests.acceptance.server import Json, ServerProcess, unique, until
from tests.console.business import Business
from tests.console.pages import (
    HTML,
    NARROW,
    SCHEMES,
    WIDE,
    check_accessible,
    check_layout,
    check_page,
    in_browser,
    opened,
    shown,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROOT = "/console/start"
TRANSFER = {
    "data.source": "ana",
    "data.target": "ben",
    "data.money.amount": "5",
    "data.money.currency": "USD",
}
PATIENCE = 60_000
"""Milliseconds."""


def filled(http: httpx.Client, name: str, **fields: str) -> dict[str, str]:
    """What a browser sends of the form of this saga."""
    text = shown(http, f"{ROOT}/{name}")
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))
    inputs = re.findall(r'<input id="[^"]+" name="([^"]+)"', text)
    assert set(fields) <= {*inputs, *hidden}, inputs
    return hidden | dict.fromkeys(inputs, "") | fields


def sent(http: httpx.Client, name: str, form: dict[str, str]) -> httpx.Response:
    return http.post(f"{ROOT}/{name}", data=form, headers=HTML)


def started(answer: httpx.Response) -> str:
    """The id of the saga that the answer leads to."""
    assert answer.status_code == 303, answer.text
    found = re.fullmatch(r"/console/sagas/([^?]+)\?done=started", answer.headers["location"])
    assert found, answer.headers
    return found[1]


def ended(http: httpx.Client, saga_id: str) -> Json:
    until(lambda: http.get(f"/sagas/{saga_id}").raise_for_status().json()["ended_at"] is not None)
    saga: Json = http.get(f"/sagas/{saga_id}").json()
    return saga


def order(key: str, *skus: str) -> dict[str, str]:
    form = {
        "data.order_id": key,
        "data.customer_id": "ana",
        "data.ship_to.name": "Ana",
        "data.ship_to.country": "France",
    }
    for row, sku in enumerate(skus):
        form |= {
            f"data.lines.{row}.sku": sku,
            f"data.lines.{row}.quantity": "1",
            f"data.lines.{row}.unit_price.amount": "100",
            f"data.lines.{row}.unit_price.currency": "USD",
        }
    return form


@in_browser
async def test_they_hold_in_every_size_and_scheme(browser: Browser, server: ServerProcess) -> None:
    for path in ("", "/fulfil-order", "/return-order", "/transfer-funds", "/replenish-stock"):
        await check_page(browser, f"{server.url}{ROOT}{path}")


def test_overview_and_list_lead_to_every_saga(http: httpx.Client) -> None:
    assert f'href="{ROOT}"' in shown(http, "/console")
    assert f'href="{ROOT}"' in shown(http, "/console/sagas")
    listed = re.findall(rf'href="{ROOT}/([^"]+)"', shown(http, ROOT))
    assert listed == ["fulfil-order", "replenish-stock", "return-order", "transfer-funds"]


def test_a_form_that_is_sent_twice_starts_one_saga(http: httpx.Client, business: Business) -> None:
    form = filled(http, "transfer-funds", **TRANSFER)
    other = filled(http, "transfer-funds", **TRANSFER)

    first, again = started(sent(http, "transfer-funds", form)), started(sent(http, "transfer-funds", form))

    assert first == again == form["id"]
    assert other["id"] != first
    saga = ended(http, first)
    assert (saga["status"], saga["input"]["money"]) == ("completed", {"amount": 5, "currency": "USD"})
    journal = http.get(f"/sagas/{first}/journal").json()["entries"]
    assert [entry["type"] for entry in journal].count("SagaRequested") == 1


def test_the_same_form_with_other_fields_is_refused_with_what_was_typed(
    http: httpx.Client, business: Business
) -> None:
    form = filled(http, "transfer-funds", **TRANSFER)
    saga_id = started(sent(http, "transfer-funds", form))

    answer = sent(http, "transfer-funds", form | {"data.money.amount": "6"})

    assert answer.status_code == 409
    assert saga_id in answer.text
    assert 'value="6"' in answer.text
    assert ended(http, saga_id)["input"]["money"]["amount"] == 5


def test_what_is_wrong_is_said_at_its_field_and_nothing_starts(
    http: httpx.Client, business: Business
) -> None:
    wrong = {"data.target": "ana", "data.money.currency": "dollars", "at": "yesterday"}
    form = filled(http, "transfer-funds", **(TRANSFER | wrong))

    answer = sent(http, "transfer-funds", form)

    assert answer.status_code == 422
    target = re.search(r'<input id="data.target"[^>]*>', answer.text)
    assert target
    assert 'aria-invalid="true" aria-describedby="data.target-wrong"' in target[0]
    assert 'value="ana"' in target[0]
    assert 'id="data.target-wrong">source and target must be two accounts<' in answer.text
    assert '<a href="#data.money.currency">Money, Currency</a>' in answer.text
    assert 'value="dollars"' in answer.text
    assert f'name="id" value="{form["id"]}"' in answer.text
    assert http.get(f"/sagas/{form['id']}").status_code == 404
    late = sent(http, "transfer-funds", filled(http, "transfer-funds", **TRANSFER) | {"at": "yesterday"})
    assert late.status_code == 422
    assert '<a href="#at">Start at</a>' in late.text


def test_a_fault_in_a_row_is_said_in_that_row(http: httpx.Client, business: Business) -> None:
    form = filled(http, "fulfil-order") | order(unique("row"), "cups")
    form |= {"data.lines.3.sku": "teapot", "data.lines.3.quantity": "0"}

    answer = sent(http, "fulfil-order", form)

    assert answer.status_code == 422
    assert '<a href="#data.lines.3.quantity">Lines 2, Quantity</a>' in answer.text
    assert 'id="data.lines.3.unit_price.amount-wrong">Field required<' in answer.text


@pytest.mark.parametrize(
    ("change", "status"),
    [({"csrf": "forged"}, 403), ({"id": "no id"}, 422), ({"data.source": f"{TOKEN_PREFIX}x"}, 422)],
)
def test_a_form_of_another_making_is_refused(
    http: httpx.Client, business: Business, change: dict[str, str], status: int
) -> None:
    form = filled(http, "transfer-funds", **TRANSFER)

    assert sent(http, "transfer-funds", form | change).status_code == status
    assert http.get(f"/sagas/{form['id']}").status_code == 404


def test_a_saga_that_there_is_not_is_a_page(http: httpx.Client) -> None:
    assert "No saga has this name" in shown(http, f"{ROOT}/nothing", 404)
    shown(http, f"{ROOT}/no%20saga", 422)


def test_it_starts_at_a_later_time(http: httpx.Client, business: Business) -> None:
    form = filled(http, "transfer-funds", **TRANSFER, at="2099-01-01T12:30")

    saga = http.get(f"/sagas/{started(sent(http, 'transfer-funds', form))}").json()

    assert (saga["status"], saga["resumes_at"]) == ("queued", "2099-01-01T12:30:00Z")


def test_the_same_order_is_the_same_saga(http: httpx.Client, business: Business) -> None:
    key = unique("ordered")
    form = filled(http, "fulfil-order") | order(key, "cups")

    assert "id" not in form
    assert started(sent(http, "fulfil-order", form)) == f"fulfil-order-{key}"
    assert started(sent(http, "fulfil-order", form)) == f"fulfil-order-{key}"
    assert sent(http, "fulfil-order", form | {"data.ship_to.country": "Peru"}).status_code == 409


@in_browser
async def test_rows_are_added_without_script(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    key = unique("rows")
    async with opened(browser, f"{server.url}{ROOT}/fulfil-order", script=False) as found:
        wanted = order(key, "cups", "teapot")
        for name, value in wanted.items():
            field = found.page.locator(f'[name="{name}"]')
            if await field.count() == 0:
                await found.page.get_by_role("button", name="One more").press("Enter")
                await field.wait_for(timeout=PATIENCE)
            await field.fill(value)
        await found.page.get_by_role("button", name="Start the saga").press("Enter")
        await expect(found.page.get_by_role("status").first).to_have_text(
            "The saga is started.", timeout=PATIENCE
        )
    saga = ended(http, f"fulfil-order-{key}")
    assert saga["status"] == "completed"
    assert [line["sku"] for line in saga["input"]["lines"]] == ["cups", "teapot"]


@in_browser
async def test_enter_in_a_field_starts_the_saga(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    key = unique("enter")
    async with opened(browser, f"{server.url}{ROOT}/fulfil-order") as found:
        for name, value in order(key, "cups").items():
            await found.page.locator(f'[name="{name}"]').fill(value)
        await found.page.get_by_label("Order id").press("Enter")
        await expect(found.page.locator("h1")).to_have_text(f"fulfil-order-{key}", timeout=PATIENCE)
    assert ended(http, f"fulfil-order-{key}")["status"] == "completed"


@in_browser
async def test_a_refused_form_holds_in_every_size_and_scheme(
    browser: Browser, server: ServerProcess, business: Business
) -> None:
    for width in (WIDE, NARROW):
        for scheme in SCHEMES:
            async with opened(
                browser, f"{server.url}{ROOT}/fulfil-order", width=width, scheme=scheme
            ) as found:
                for name, value in order("no order", "no sku").items():
                    await found.page.locator(f'[name="{name}"]').fill(value)
                await found.page.get_by_role("button", name="Start the saga").click()
                await expect(found.page.get_by_role("alert")).to_be_visible(timeout=PATIENCE)
                await check_layout(found.page)
                await check_accessible(found.page)
                await found.page.get_by_role("link", name="Lines 1, Sku").click()
                await expect(found.page).to_have_url(re.compile(r"#data\.lines\.0\.sku$"))
                assert "422" in found.faults.pop()  # the browser's own word for the status


@pytest.fixture(scope="module")
def signed_in(
    postgres_server: EmbeddedPostgres, template_database: str
) -> Iterator[dict[Role, httpx.Client]]:
    """A reader and an operator of a server with tokens, and an admin of one kind of saga only."""
    with secured_server(postgres_server, template_database, "console_starts") as secured:
        found = {}
        for role, *sagas in ((Role.READER,), (Role.OPERATOR,), (Role.ADMIN, "transfer-funds")):
            found[role] = secured.client()
            token = secured.token(role, *sagas)[1]
            signed = found[role].post("/console/login", data={"token": token, "next": ""})
            assert signed.status_code == 303, signed.text
        yield found


def test_it_takes_an_operator_who_is_named(signed_in: dict[Role, httpx.Client]) -> None:
    reader, operator = signed_in[Role.READER], signed_in[Role.OPERATOR]
    refused = shown(reader, f"{ROOT}/transfer-funds")
    assert "takes the role operator" in refused
    assert "<input id=" not in refused
    assert f'href="{ROOT}"' not in shown(reader, "/console")
    assert "takes the role operator" in shown(reader, ROOT)
    form = filled(operator, "transfer-funds", **TRANSFER)
    csrf = re.findall(r'name="csrf" value="([^"]+)"', refused)[0]
    assert sent(reader, "transfer-funds", form | {"csrf": csrf}).status_code == 403

    saga_id = started(sent(operator, "transfer-funds", form))

    requested = operator.get(f"/streams/saga-{saga_id}").raise_for_status().json()["events"][0]
    assert requested["metadata"]["actor"].startswith("token:")


def test_who_is_limited_to_some_sagas_starts_those(signed_in: dict[Role, httpx.Client]) -> None:
    limited = signed_in[Role.ADMIN]

    assert re.findall(rf'href="{ROOT}/([^"]+)"', shown(limited, ROOT)) == ["transfer-funds"]
    shown(limited, f"{ROOT}/fulfil-order", 403)
    assert f'href="{ROOT}"' in shown(limited, "/console/sagas?name=transfer-funds")
    form = filled(limited, "transfer-funds", **TRANSFER)
    assert sent(limited, "return-order", form).status_code == 403
    saga_id = started(sent(limited, "transfer-funds", form))
    shown(limited, f"/console/sagas/{saga_id}")
    shown(limited, f"/console/sagas/{saga_id}/travel", 403)
