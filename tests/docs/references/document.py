"""The OpenAPI document of a server, without the server: its sandboxes are left out."""

from functools import cache
from typing import Any

from app.api.reference import openapi_document
from app.main import create_app
from app.settings import Settings
from domain.aggregates import CATALOG
from workflows.saga import Registry
from workflows.sagas import SAGAS

Json = dict[str, Any]


@cache
def document() -> Json:
    # The settings of the shell that this runs in must not change it.
    settings = Settings.model_construct()
    return openapi_document(create_app(settings), CATALOG, Registry(SAGAS, []))
