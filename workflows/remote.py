"""How a call asks a remote system over HTTP, and what its answers mean to the saga.

no answer, 5xx, 408, 425, 429     Transient: tried again under the same key
4xx with a code                   Rejected: the other side's business no
4xx without one                   a fault of the address, the credentials or ours
"""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from domain import Rejected
from workflows.saga import Transient

RETRYABLE: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Problem(BaseModel):
    """Why the other side refuses: the part of its problem document (RFC 9457) that we read."""

    detail: str
    code: str


async def ask(
    client: httpx.AsyncClient, name: str, method: str, collection: str, key: str, **content: Any
) -> httpx.Response:
    """Send a request about the thing with this key, and give its answer. `name` is said in errors.

    Requests have no timeout of their own: the saga kernel cancels them at the deadline of the attempt.
    """
    path = f"{collection}/{quote(key, safe='')}"
    try:
        response = await client.request(method, path, timeout=None, **content)
    except httpx.RequestError as error:
        raise Transient(f"no answer from {name}: {type(error).__name__} {error}".rstrip()) from error
    if response.is_server_error or response.status_code in RETRYABLE:
        raise Transient(f"{name} answered {response.status_code}")
    if response.is_client_error:
        raise _refusal(name, response)
    return response.raise_for_status()


def _refusal(name: str, response: httpx.Response) -> Exception:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return httpx.HTTPStatusError(
            f"{name} answered {response.status_code}: {response.text[:200]}",
            request=response.request,
            response=response,
        )
    return Rejected(problem.detail, code=problem.code, data={"status": response.status_code})
