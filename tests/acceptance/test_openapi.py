"""The OpenAPI document, and health."""

from collections.abc import Iterator

import httpx
import jsonschema_rs
import pytest

from tests.acceptance.server import Json

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def document(http: httpx.Client) -> Json:
    answer: Json = http.get("/openapi.json").raise_for_status().json()
    return answer


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        yield from (reference for value in node.values() for reference in references(value))
    elif isinstance(node, list):
        yield from (reference for value in node for reference in references(value))


def test_each_saga_and_command_has_a_path_with_its_body(document: Json) -> None:
    paths = document["paths"]

    assert "/sagas/{name}" not in paths
    for path, model in [
        ("/sagas/fulfil-order", "FulfilOrder"),
        ("/sagas/transfer-funds", "TransferFunds"),
        ("/sagas/bulk", "BulkRequest"),
        ("/sagas/{saga_id}/compensate", "CompensateRequest"),
        ("/sagas/{saga_id}/retry", "ReasonRequest"),
        ("/sagas/{saga_id}/resume", "ReasonRequest"),
        ("/sagas/{saga_id}/skip", "SkipRequest"),
        ("/sagas/{saga_id}/abandon", "ReasonRequest"),
        ("/sagas/{saga_id}/signals/{signal}", "SignalRequest"),
        ("/aggregates/stock/{sku}/receive-stock", "ReceiveStock"),
        ("/aggregates/account/{account_id}/open-account", "OpenAccount"),
    ]:
        body = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": f"#/components/schemas/{model}"}
    schemas = document["components"]["schemas"]
    assert "sku" not in schemas["ReceiveStock"]["properties"]
    assert schemas["ReceiveStock"]["required"] == ["quantity"]


def test_what_operators_send_has_an_example_and_keeps_to_a_version(document: Json) -> None:
    for path in ("compensate", "retry", "resume", "skip", "abandon"):
        operation = document["paths"][f"/sagas/{{saga_id}}/{path}"]["post"]

        assert operation["requestBody"]["content"]["application/json"]["example"]["reason"]
        assert "If-Match" in {parameter["name"] for parameter in operation["parameters"]}
        assert {"404", "409", "412", "422", "503"} <= operation["responses"].keys()
    signal = document["paths"]["/sagas/{saga_id}/signals/{signal}"]["post"]
    assert {"404", "409", "413", "422", "429"} <= signal["responses"].keys()


def test_every_body_has_an_example_that_fits(document: Json) -> None:
    ours = [(path, each) for path, each in operations(document) if "/sandbox/" not in path]
    for path, operation in ours:
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in media, path
            schema = {**media["schema"], "components": document["components"]}
            jsonschema_rs.validator_for(schema, validate_formats=True).validate(media["example"])
        assert ("429" in operation["responses"]) == ("/health/" not in path), path


def test_every_answer_has_an_example_that_fits(document: Json) -> None:
    for path, operation in operations(document):
        for status, answer in operation["responses"].items():
            for kind, media in answer.get("content", {}).items():
                if not kind.endswith("json") or "/sandbox/" in path:
                    continue
                assert "example" in media, (path, status)
                schema = {**media["schema"], "components": document["components"]}
                jsonschema_rs.validator_for(schema, validate_formats=True).validate(media["example"])
                if int(status) >= 400:
                    assert media["example"]["status"] == int(status)


def test_each_filter_of_a_read_model_is_a_parameter_of_its_own(document: Json) -> None:
    for path, filters in [
        ("/orders", {"status", "customer_id", "country", "currency", "sku", "placed_after", "placed_before"}),
        ("/stock", {"running_low", "reserved_for"}),
        ("/accounts", {"currency", "held_for"}),
        ("/accounts/{account_id}/statement", {"kind", "order_id", "saga_id", "recorded_after"}),
    ]:
        operation = document["paths"][path]["get"]
        parameters = {
            parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"
        }

        assert {"limit", "after", "sort", *filters} <= parameters
        assert {"410", "422", "503"} <= operation["responses"].keys()
        [model] = operation["responses"]["200"]["content"]["application/json"]["schema"].values()
        assert model.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_every_reference_is_defined_and_every_operation_named_once(document: Json) -> None:
    schemas = document["components"]["schemas"]

    assert {reference.removeprefix("#/components/schemas/") for reference in references(document)} <= set(
        schemas
    )
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_parameter_in_a_path_is_described(document: Json) -> None:
    for path, item in document["paths"].items():
        expected = {part[1:-1].partition(":")[0] for part in path.split("/") if part.startswith("{")}
        for operation in item.values():
            described = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert described == expected, path


def test_every_error_is_a_problem_document(document: Json) -> None:
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["tags"], name
        for status, response in operation["responses"].items():
            assert (status < "400") or list(response["content"]) == ["application/problem+json"], name


def test_the_server_is_live_and_ready(http: httpx.Client) -> None:
    live, ready = http.get("/health/live"), http.get("/health/ready")

    assert (live.status_code, ready.status_code) == (200, 200)
    assert set(ready.json()["checks"].values()) == {"ok"}
