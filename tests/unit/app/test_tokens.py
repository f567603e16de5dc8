"""Tokens, principals, and which hosts only this machine reaches."""

import re

import pytest

from app.security.access import is_loopback
from app.security.roles import Grant, Principal, Role
from app.security.tokens import PREFIX, digest, new_token, well_formed


def test_tokens_are_different_and_recognised() -> None:
    made = {new_token() for _ in range(100)}

    assert len(made) == 100
    assert all(re.fullmatch(r"saga_[a-z2-7]{59}", token) and well_formed(token) for token in made)
    assert len({digest(token) for token in made}) == 100


def test_a_token_with_any_other_character_is_not_well_formed() -> None:
    token = new_token()

    for place in range(len(PREFIX), len(token)):
        other = "a" if token[place] != "a" else "b"
        assert not well_formed(token[:place] + other + token[place + 1 :])
    for wrong in ("", PREFIX, token[:-1], token + "a", token.upper(), token[:-1] + "\u017f"):
        assert not well_formed(wrong)


def test_a_higher_role_may_what_a_lower_one_may() -> None:
    operator = Principal("o", (Grant(Role.OPERATOR),))

    assert [operator.may(role) for role in Role] == [True, True, False]


def test_a_limited_grant_is_for_its_sagas_only() -> None:
    clerk = Principal("c", (Grant(Role.OPERATOR, frozenset({"a"})), Grant(Role.READER)))

    assert (clerk.may(Role.READER), clerk.may(Role.OPERATOR)) == (True, False)
    assert (clerk.may_saga(Role.OPERATOR, "a"), clerk.may_saga(Role.OPERATOR, "b")) == (True, False)
    assert clerk.may_saga(Role.READER, "b")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_hosts_of_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "10.0.0.1", "no such host"])
def test_hosts_that_others_may_reach(host: str) -> None:
    assert not is_loopback(host)
