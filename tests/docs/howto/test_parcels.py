"""docs/call-an-external-service.md: a company that answers, fails, and loses its answers."""

from collections.abc import Callable

import httpx

from domain import Catalog
from tests.docs.howto.parcels import SEND, SEND_SOMEHOW, Labels
from workflows.saga.testing import MemoryService

Fault = Callable[[httpx.Request], None]


class Company:
    """One label a key, and a tombstone for a key that was cancelled. `faults` befall requests, in order."""

    def __init__(self, *faults: httpx.Response | type[httpx.TransportError]) -> None:
        self.labels: set[str] = set()
        self.cancelled: set[str] = set()
        self.requests: list[str] = []
        self.faults = list(faults)

    def answer(self, request: httpx.Request) -> httpx.Response:
        key, method = request.headers["Idempotency-Key"], request.method
        self.requests.append(f"{method} {key}")
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, httpx.Response):
            return fault
        answer = self._answer(method, key)
        if fault is not None:  # it has acted, and its answer is lost
            raise fault("lost")
        return answer

    def _answer(self, method: str, key: str) -> httpx.Response:
        match method:
            case "DELETE":
                self.labels.discard(key)
                self.cancelled.add(key)
            case "POST" if key in self.cancelled:
                return httpx.Response(409, text="cancelled")
            case "POST":
                self.labels.add(key)
        return httpx.Response(200 if key in self.labels else 204, json={"number": f"label {key}"})


def service_of(company: Company) -> MemoryService:
    client = httpx.AsyncClient(transport=httpx.MockTransport(company.answer), base_url="http://company")
    return MemoryService(Catalog([]), [SEND, SEND_SOMEHOW], Labels(client).calls())


async def test_a_lost_answer_is_asked_for_and_nothing_is_bought_twice() -> None:
    company = Company(httpx.ReadTimeout)

    outcome = await service_of(company).run_saga("send", {"order_id": "o1"})

    assert outcome.saga.result == "label s1/1"
    assert company.requests == ["POST s1/1", "GET s1/1"]


async def test_a_request_that_did_not_arrive_is_sent_again_under_its_key() -> None:
    company = Company(httpx.Response(503))

    outcome = await service_of(company).run_saga("send", {"order_id": "o1"})

    assert outcome.saga.status == "completed"
    assert company.requests == ["POST s1/1", "GET s1/1", "POST s1/1"]


async def test_a_business_no_is_not_sent_again() -> None:
    company = Company(httpx.Response(409, text="too heavy"))

    outcome = await service_of(company).run_saga("send", {"order_id": "o1"})

    assert outcome.saga.status == "compensated"
    assert outcome.saga.error is not None
    assert outcome.saga.error.code == "label-refused"
    assert company.requests == ["POST s1/1"]


async def test_a_company_that_is_away_for_good_is_told_to_forget_it() -> None:
    company = Company(*[httpx.Response(503)] * 16)

    outcome = await service_of(company).run_saga("send", {"order_id": "o1"})

    assert outcome.saga.status == "compensated"
    assert company.requests[-1] == "DELETE s1/1"
    assert company.cancelled == {"s1/1"}


async def test_another_way_is_taken_and_the_doubtful_label_cancelled() -> None:
    company = Company(*[httpx.Response(503)] * 16)

    outcome = await service_of(company).run_saga("send-somehow", {"order_id": "o1"})

    assert outcome.saga.status == "completed"
    assert outcome.saga.result == "by our own driver"
    assert company.requests[-1] == "DELETE s1/1"


async def test_an_answer_that_nobody_foresaw_is_a_bug() -> None:
    company = Company(httpx.Response(401, text="who are you"))

    outcome = await service_of(company).run_saga("send", {"order_id": "o1"})

    assert outcome.saga.status == "stuck"
    assert outcome.saga.stuck is not None
    assert outcome.saga.stuck.reason == "bug"
