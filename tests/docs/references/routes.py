"""The page of all routes: parameters, body, answers, roles; then all errors."""

from collections.abc import Iterator
from itertools import groupby

from app.api.reference import SEND, START, TAGS
from app.problems import FAMILIES, INTERNAL
from app.security.rules import RULES, Reach, Rule
from tests.docs.references.document import Json, document
from tests.docs.references.markdown import as_json, code, page, table
from tests.docs.references.shapes import meaning, model_link, shape
from workflows.sagas import SAGAS

HEAD = """# HTTP API: routes

Generated from the OpenAPI document of the server by `make references`. What holds for all of them is on the
page [HTTP API](api.md); the sandboxes of carrier and supplier are in `/docs` of a server.
"""
ERRORS = """## Errors

Errors are [problem documents](api-models.md#problem), `application/problem+json`. What a status means:
"""
CODES = """Each has a `code` for programs. What some of them add is in the table of the
[hand-written page](api.md#errors).
"""

LIMITED = {Reach.SAGA_NAME, Reach.SAGA_ID, Reach.CHOSEN}

Route = tuple[str, str, Json]
"""Method, path, operation."""


def routes_page() -> str:
    routes = list(_routes())
    described = {tag["name"]: tag["description"] for tag in TAGS}
    tags = dict.fromkeys([*described, *(_tag(route) for route in routes)])
    sections = [
        page(f"## {tag[0].upper()}{tag[1:]}", described.get(tag, ""), *_parts(tag, routes))
        for tag in tags
        if any(_tag(route) == tag for route in routes)
    ]
    return page(HEAD, *sections, ERRORS, _statuses(routes), CODES, _codes())


def _routes() -> Iterator[Route]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def _tag(route: Route) -> str:
    return str(route[2]["tags"][0])


def _parts(tag: str, routes: list[Route]) -> Iterator[str]:
    """Routes of one template, such as the starts of all sagas, are told once."""
    mine = [route for route in routes if _tag(route) == tag]
    for template, group in groupby(mine, _template):
        alike = list(group)
        method, path, operation = alike[0]
        if len(alike) == 1 and template == path:
            yield _route(method, path, operation, _body(operation))
        else:
            general = {**operation, "summary": _SUMMARIES[template]}
            yield _route(method, template, general, _bodies(alike))


STARTS = {f"/sagas/{definition.name}" for definition in SAGAS}
_SUMMARIES = {START: "Start a saga.", SEND: "Send a command to an aggregate."}


def _template(route: Route) -> str:
    method, path, _ = route
    if path in STARTS:
        return START
    return SEND if method == "POST" and path.startswith("/aggregates/") else path


def _route(method: str, path: str, operation: Json, body: str) -> str:
    rule = RULES[method, path]
    answers = [
        (status, _content(answer), answer["description"].replace("Successful Response", ""))
        for status, answer in sorted(operation["responses"].items())
        if int(status) < 400
    ]
    errors = " · ".join(status for status in sorted(operation["responses"]) if int(status) >= 400)
    summary = operation["summary"].rstrip(".")
    return page(
        f"### {method} {path}",
        f"**{summary}.** {operation.get('description', '')}",
        f"Role: {_role(rule)}.",
        table(("parameter", "in", "what it is", "meaning"), map(_parameter, operation.get("parameters", []))),
        body,
        table(("answer", "with", "when"), answers),
        f"[Errors](#errors): {errors}" if errors else "",
    )


def _role(rule: Rule) -> str:
    if rule.role is None:
        return "none, not even a token"
    limited = ", also one for these sagas only" if rule.reach in LIMITED else ""
    return f"[{rule.role.name.lower()}](../security.md#roles){limited}"


def _parameter(parameter: Json) -> tuple[str, str, str, str]:
    needed = "" if parameter["required"] or parameter["in"] == "path" else "; *may be left out*"
    schema = parameter["schema"]
    return (
        code(parameter["name"]),
        parameter["in"],
        shape(schema) + needed,
        meaning(schema, parameter.get("description")),
    )


def _content(answer: Json) -> str:
    return " ".join(
        shape(media["schema"]) if kind == "application/json" and media.get("schema") else code(kind)
        for kind, media in answer.get("content", {}).items()
    )


def _body(operation: Json) -> str:
    if "requestBody" not in operation:
        return ""
    media = operation["requestBody"]["content"]["application/json"]
    link = shape(media["schema"])
    example = media.get("example")
    return f"Body: {link}" if example is None else page(f"Body: {link}, such as", as_json(example))


def _bodies(routes: list[Route]) -> str:
    bodies = [
        (code(path), model_link(operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]))
        for _, path, operation in routes
    ]
    return table(("path", "body"), bodies)


def _statuses(routes: list[Route]) -> str:
    said = {
        status: answer["description"]
        for _, _, operation in routes
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    }
    return table(("status", "means"), sorted(said.items()))


def _codes() -> str:
    families = sorted({*FAMILIES.values(), INTERNAL}, key=lambda each: (each.status, each.code, each.title))
    rows = [
        (
            str(family.status),
            code(family.code),
            family.title,
            "" if family.retry_after_seconds is None else f"{family.retry_after_seconds} s",
        )
        for family in families
    ]
    return table(("status", "code", "title", "`Retry-After`"), rows)
