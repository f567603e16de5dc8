"""What a form of the console says, and in whose name it asks."""

from fastapi import Request

from app.api.requests import refuse_tokens
from app.security.authorizing import principal_of
from app.security.forms import FIELD, form_of
from workflows.saga.journal import NOBODY


async def filled_in(request: Request) -> dict[str, str]:
    """The fields that somebody has filled in. Raises ForgedForm, InvalidRequest."""
    fields = {name: value for name, value in (await form_of(request)).items() if name != FIELD and value}
    refuse_tokens(fields)
    return fields


def actor_of(request: Request) -> str:
    """Who has signed in; no header says it here. Where nobody has to sign in it is nobody."""
    principal = principal_of(request)
    return NOBODY if principal is None else principal.actor
