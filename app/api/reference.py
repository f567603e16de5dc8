"""The OpenAPI document: FastAPI's, with one path for each saga and each command instead of two templates."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.api.bulk import PATH as BULK
from app.api.bulk import BulkRequest
from app.api.command_names import NamedCommand, named_commands
from app.api.descriptions import describe
from app.api.examples import ANSWERS, EXAMPLES, problem_example
from app.api.operations import CompensateRequest, ReasonRequest, SignalRequest, SkipRequest
from app.api.projections import (
    DecisionRequest,
    DiscardRequest,
    PromoteRequest,
    RetryRequest,
    ReturnRequest,
    SkipEventRequest,
)
from app.api.starting import BatchRequest
from app.api.subjects import ForgetRequest
from app.problems import MEDIA_TYPE
from app.security.rules import PUBLIC_PATHS
from domain import Catalog
from workflows.saga import Registry, SagaDefinition

TOKEN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "Needed as soon as there is a token or OIDC is set up.",
}
SCHEMA_REFERENCE: Final = "#/components/schemas/{model}"
START: Final = "/sagas/{name}"
SEND: Final = "/aggregates/{category}/{key}/{command}"
BODIES: Final[dict[str, type[BaseModel]]] = {
    "/sagas/{name}/batch": BatchRequest,
    BULK: BulkRequest,
    "/sagas/{saga_id}/compensate": CompensateRequest,
    "/sagas/{saga_id}/retry": ReasonRequest,
    "/sagas/{saga_id}/resume": ReasonRequest,
    "/sagas/{saga_id}/skip": SkipRequest,
    "/sagas/{saga_id}/abandon": ReasonRequest,
    "/sagas/{saga_id}/signals/{signal}": SignalRequest,
    "/subjects/{subject}/forget": ForgetRequest,
    "/projections/{name}/retry": RetryRequest,
    "/projections/{name}/skip": SkipEventRequest,
    "/projections/{name}/rebuild": DecisionRequest,
    "/projections/{name}/pause": DecisionRequest,
    "/projections/{name}/resume": DecisionRequest,
    "/projections/{name}/promote": PromoteRequest,
    "/projections/{name}/return": ReturnRequest,
    "/projections/{name}/discard": DiscardRequest,
}
"""Bodies of routes that take them as they come, so that a bad one is answered as all are."""

DESCRIPTION: Final = """
Durable sagas on an event store, in one Postgres.

A *command* asks an aggregate to act; its *events* say what happened. A *saga* sends commands to many
aggregates and undoes what it did when one of them refuses. Starting one answers 202 as soon as it is durable;
look at it, wait for it with `Prefer: wait=5`, or follow it.

Money is `{"amount": 1400, "currency": "USD"}` in minor units, times are RFC 3339 in UTC, ids have 1 to 120
characters from `A-Z a-z 0-9 . _ : -`. Every error is an RFC 9457 problem document (schema `Problem`).
"""

TAGS: Final = [
    {"name": "sagas", "description": "Start, list, look at and follow sagas."},
    {"name": "operations", "description": "Send signals; undo, retry, resume, skip, abandon; one or many."},
    {"name": "aggregates", "description": "The state of one aggregate, and commands sent to it directly."},
    {
        "name": "read models",
        "description": "Orders, stock and accounts in lists, a moment behind events.",
    },
    {"name": "events", "description": "What happened: one stream, or all of them in one order."},
    {"name": "audit", "description": "Why something is so, and that it was not changed: anchors, proofs."},
    {"name": "subjects", "description": "Persons: forget what is known of one."},
    {"name": "projections", "description": "Followers of the log: parked ones, rebuilds of read models."},
    {"name": "health", "description": "For load balancers and supervisors."},
    {"name": "sandbox carrier", "description": "A carrier to try things with; it can be told to misbehave."},
    {"name": "sandbox supplier", "description": "A supplier of the same kind."},
]


def openapi_document(app: FastAPI, catalog: Catalog, registry: Registry) -> dict[str, Any]:
    """The document as FastAPI makes it from the routes, with the bodies that are looked up when they come."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        tags=TAGS,
        routes=app.routes,
    )
    paths, schemas = document["paths"], document["components"]["schemas"]
    start, send = paths[START].pop("post"), paths.pop(SEND)["post"]
    for path, body in BODIES.items():
        _add_body(paths[path]["post"], body, schemas)
    for definition in registry:
        paths[f"/sagas/{definition.name}"] = {"post": _start_of(start, definition, schemas)}
    for command in named_commands(catalog).values():
        path = SEND.format(category=command.category, key=f"{{{command.key_field}}}", command=command.name)
        paths[path] = {"post": _send_of(send, command, schemas)}
    document["paths"] = {path: item for path, item in paths.items() if item}
    document["components"]["securitySchemes"] = {"token": TOKEN}
    for path, item in document["paths"].items():
        for operation in item.values():
            if path not in PUBLIC_PATHS:
                _guard(operation)
            _answer_problems(operation)
            _show_examples(operation)
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _never_null(parameter["schema"])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    describe(schemas)
    return document


def _start_of(
    template: dict[str, Any], definition: SagaDefinition, schemas: dict[str, Any]
) -> dict[str, Any]:
    operation = _without_parameters(template, "name")
    operation |= {"summary": f"Start {definition.name}", "operationId": f"start_{definition.name}"}
    _add_body(operation, definition.input, schemas)
    return operation


def _send_of(template: dict[str, Any], command: NamedCommand, schemas: dict[str, Any]) -> dict[str, Any]:
    operation = _without_parameters(template, "category", "command")
    operation["parameters"] = [
        {**parameter, "name": command.key_field} if parameter["name"] == "key" else parameter
        for parameter in operation["parameters"]
    ]
    operation |= {
        "summary": f"{command.category}: {command.name}",
        "operationId": f"{command.category}_{command.name}",
    }
    _add_body(operation, command.type, schemas, without=command.key_field)
    return operation


def _without_parameters(template: dict[str, Any], *names: str) -> dict[str, Any]:
    kept = [parameter for parameter in template["parameters"] if parameter["name"] not in names]
    return {**template, "parameters": kept}


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that may be left out: FastAPI says it may be null, which no request says."""
    choices: list[dict[str, Any]] = [
        choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}
    ]
    if len(choices) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | choices[0]


_AT_THE_DOOR: Final = {
    "401": "No token, or one that is not known, expired or revoked.",
    "403": "The role does not allow it.",
    "421": "A server without tokens was asked under a name that is not of its machine.",
    "429": "Too many requests; try again after `Retry-After` seconds.",
}


def _guard(operation: dict[str, Any]) -> None:
    """A token is needed unless the server asks nobody for one, which the document cannot know. What a route
    says of such an answer itself stays."""
    operation["security"] = [{}, {"token": []}]
    for status, description in _AT_THE_DOOR.items():
        operation["responses"].setdefault(status, {"description": description})


def _answer_problems(operation: dict[str, Any]) -> None:
    """Every error is a problem document, also where FastAPI would have documented one of its own."""
    schema = {"$ref": SCHEMA_REFERENCE.format(model="Problem")}
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            response["content"] = {MEDIA_TYPE: {"schema": schema}}


def _add_body(
    operation: dict[str, Any], model: type[BaseModel], schemas: dict[str, Any], without: str | None = None
) -> None:
    """Document the JSON body of an operation; `without` is the field that is in the path."""
    name = model.__name__
    for definition, schema in _schemas(model, without):
        schemas.setdefault(definition, schema)
    media = {"schema": {"$ref": SCHEMA_REFERENCE.format(model=name)}}
    operation["requestBody"] = {"required": True, "content": {"application/json": media}}


def _show_examples(operation: dict[str, Any]) -> None:
    _show_example(operation.get("requestBody", {}), EXAMPLES)
    for status, response in operation["responses"].items():
        _show_example(response, {**ANSWERS, "Problem": problem_example(int(status))})


def _show_example(described: dict[str, Any], examples: Mapping[str, Any]) -> None:
    for media in described.get("content", {}).values():
        choices = media["schema"].get("anyOf", [media["schema"]])
        model = choices[-1].get("$ref", "").rpartition("/")[2]
        if model in examples:
            media["example"] = examples[model]


def _schemas(model: type[BaseModel], without: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = model.model_json_schema(ref_template=SCHEMA_REFERENCE)
    yield from schema.pop("$defs", {}).items()
    if without is not None:
        schema["properties"] = {
            field: rule for field, rule in schema["properties"].items() if field != without
        }
        schema["required"] = [field for field in schema.get("required", []) if field != without]
    yield model.__name__, schema
