"""The page of all models that requests and answers have."""

from app.api.examples import ANSWERS, EXAMPLES
from tests.docs.references.document import Json, document
from tests.docs.references.markdown import as_json, code, page, table
from tests.docs.references.shapes import meaning, shape

HEAD = """# HTTP API: models

Generated from the OpenAPI document of the server by `make references`. What is asked and answered where:
[routes](api-routes.md). Money, times and ids: [conventions](api.md#conventions).
A field marked *may be left out* need not be sent. An answer has all fields of its model; those that are shown
are of a real server.
"""


def models_page() -> str:
    schemas: Json = document()["components"]["schemas"]
    return page(HEAD, *(_model(name, schemas[name]) for name in sorted(schemas)))


def _model(name: str, schema: Json) -> str:
    required = schema.get("required", [])
    rows = [
        (code(field), _shape(rule, field in required), meaning(rule))
        for field, rule in schema.get("properties", {}).items()
    ]
    example = EXAMPLES.get(name, ANSWERS.get(name))
    return page(
        f"## {name}",
        schema.get("description", ""),
        table(("field", "what it is", "meaning"), rows),
        "" if example is None else as_json(example),
    )


def _shape(rule: Json, required: bool) -> str:
    return shape(rule) if required else f"{shape(rule)}; *may be left out*"
