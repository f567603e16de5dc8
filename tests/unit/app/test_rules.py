"""Every route of the application says who may call it."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from app.main import create_app
from app.security.roles import Role
from app.security.rules import LOGIN, PUBLIC, PUBLIC_PATHS, RULES, Reach, Rule, rule_of
from app.settings import Settings

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
HEALTH = {"/health/live", "/health/ready"}
STATIC = "/console/static/{digest}/{file}"
DOOR = {"/console/login", "/console/logout"}


def routes() -> Iterator[tuple[Any, str, str]]:
    """All of them, the included ones as well, each with a method and its template."""
    for route in create_app(Settings()).routes:
        found = route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route]
        for each in found:
            template = getattr(each, "path_format", None) or each.path
            for method in sorted(getattr(each, "methods", None) or {"GET"}):
                yield each, method, template


def rules() -> Iterator[tuple[Any, str, str, Rule]]:
    for route, method, template in routes():
        rule = rule_of(method, template, template)
        assert rule is not None, f"{method} {template} has no rule: add it to app/security/rules.py"
        yield route, method, template, rule


def test_every_route_has_a_rule() -> None:
    assert len(list(rules())) > 50


def test_only_health_and_the_door_are_free() -> None:
    assert {template for *_, template, rule in rules() if rule == PUBLIC} == HEALTH | {LOGIN, STATIC}
    assert PUBLIC_PATHS == HEALTH


def test_what_changes_something_takes_an_operator() -> None:
    changing = [(method, template, rule) for _, method, template, rule in rules()]
    changing = [each for each in changing if each[0] in UNSAFE and each[1] not in DOOR]

    assert len(changing) > 15
    assert [each for each in changing if (each[2].role or Role.READER) < Role.OPERATOR] == []


def test_what_asks_no_role_itself_is_for_every_reader() -> None:
    """Routes that are not FastAPI's have no dependencies: for them being known must be enough."""
    for route, _, template, rule in rules():
        if not isinstance(getattr(route, "original_route", route), APIRoute):
            assert rule.role is Role.READER, template


@pytest.mark.parametrize(("path", "rule"), [(path, rule) for (_, path), rule in RULES.items()])
def test_a_rule_about_one_saga_is_of_a_route_that_names_one(path: str, rule: Rule) -> None:
    assert (rule.reach is not Reach.SAGA_NAME) or "{name}" in path
    assert (rule.reach is not Reach.SAGA_ID) or "{saga_id}" in path


def test_a_route_that_nobody_declared_has_no_rule() -> None:
    assert rule_of("GET", "/secrets", "/secrets") is None
    assert rule_of("DELETE", "/sagas/{saga_id}", "/sagas/1") is None
