"""JWTs of an issuer: right ones, and every way we know to make a wrong one."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from tests.acceptance.issuer import AUDIENCE, ISSUER, Issuer, issuing, rsa_key
from tests.acceptance.secured import Secured, refused, secured_server
from tests.acceptance.server import unique, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass
class Set:
    """A server that believes an issuer."""

    secured: Secured
    issuer: Issuer

    def get(self, token: str, path: str = "/events") -> httpx.Response:
        return self.secured.client(token).get(path)


@pytest.fixture(scope="module")
def oidc(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Set]:
    with issuing() as issuer:
        settings = {
            "SAGA_OIDC_ISSUER": ISSUER,
            "SAGA_OIDC_AUDIENCE": AUDIENCE,
            "SAGA_OIDC_JWKS_URL": issuer.url,
            "SAGA_OIDC_ROLES": "support=operator, boss=admin, clerks=operator:transfer-funds",
        }
        with secured_server(postgres_server, template_database, "oidc", **settings) as secured:
            yield Set(secured, issuer)


def test_a_right_one_gets_in_and_is_the_actor(oidc: Set) -> None:
    client, account = oidc.secured.client(oidc.issuer.token(), **{"X-Actor": "mallory"}), unique("account")

    client.post(f"/aggregates/account/{account}/open-account", json={"currency": "USD"}).raise_for_status()

    [event] = client.get(f"/streams/account-{account}").json()["events"]
    assert event["metadata"]["actor"] == "oidc:olga"


def test_tokens_of_ours_count_as_well(oidc: Set) -> None:
    assert oidc.get(oidc.secured.token(Role.READER)[1]).status_code == 200


@pytest.mark.parametrize(
    ("roles", "path", "code"),
    [
        (["support"], "/events", None),
        ("support other", "/events", None),
        (["other"], "/events", "role-too-low"),
        ([], "/events", "role-too-low"),
        (None, "/events", "role-too-low"),
        ([["support"]], "/events", "role-too-low"),
        ({"support": True}, "/events", "role-too-low"),
        (["clerks"], "/events", "wrong-saga"),
        (["clerks"], "/sagas?name=transfer-funds", None),
        (["clerks", "support"], "/events", None),
    ],
)
def test_roles_are_those_that_are_mapped(oidc: Set, roles: Any, path: str, code: str | None) -> None:
    answer = oidc.get(oidc.issuer.token(roles=roles), path)

    if code is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 403, code)


DAY = 24 * 3600
"""Longer than all tests take: what is parametrized is made before the first of them."""


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": int(time.time()) - DAY}, "token-expired"),
        ({"exp": None}, "token-invalid"),
        ({"exp": "soon"}, "token-invalid"),
        ({"nbf": int(time.time()) + DAY}, "token-invalid"),
        ({"iat": int(time.time()) + DAY}, "token-invalid"),
        ({"iss": ISSUER + "/"}, "token-invalid"),
        ({"iss": "https://evil.example"}, "token-invalid"),
        ({"iss": None}, "token-invalid"),
        ({"aud": "other"}, "token-invalid"),
        ({"aud": ["other", "saga "]}, "token-invalid"),
        ({"aud": None}, "token-invalid"),
        ({"sub": None}, "token-invalid"),
        ({"sub": "a\nb"}, "token-invalid"),
        ({"sub": "é"}, "token-invalid"),
        ({"sub": "x" * 200}, "token-invalid"),
    ],
)
def test_claims_that_are_wrong(oidc: Set, claims: dict[str, Any], code: str) -> None:
    refused(oidc.get(oidc.issuer.token(**claims)), 401, code)


def test_an_audience_among_others_is_right(oidc: Set) -> None:
    assert oidc.get(oidc.issuer.token(aud=["other", AUDIENCE])).status_code == 200


def test_somebody_elses_key(oidc: Set) -> None:
    for key in (rsa_key(), ec.generate_private_key(ec.SECP256R1())):
        refused(oidc.get(oidc.issuer.token(key=key)), 401, "token-invalid")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS256"])
def test_no_signature(oidc: Set, algorithm: str) -> None:
    _, claims, signature = oidc.issuer.token().split(".")
    header = encoded({"alg": algorithm, "typ": "JWT", "kid": "one"})

    for end in ("", signature):
        refused(oidc.get(f"{header}.{claims}.{end}"), 401, "token-invalid")


@pytest.mark.parametrize("hashed", ["sha256", "sha384", "sha512"])
def test_the_public_key_as_a_shared_secret(oidc: Set, hashed: str) -> None:
    public, (_, claims, _) = oidc.issuer.keys["one"].public_key(), oidc.issuer.token().split(".")
    header = encoded({"alg": f"HS{hashed[3:]}", "typ": "JWT", "kid": "one"})
    forms = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
    encodings = serialization.Encoding.PEM, serialization.Encoding.DER

    for secret in (public.public_bytes(encoding, form) for encoding in encodings for form in forms):
        signature = hmac.digest(secret, f"{header}.{claims}".encode(), getattr(hashlib, hashed))
        refused(oidc.get(f"{header}.{claims}.{text(signature)}"), 401, "token-invalid")


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256", "jku": "https://evil.example/jwks"},
        {"alg": "RS256", "kid": {"a": 1}},
        {"alg": "RS256", "kid": ["one"]},
        {"alg": "RS256", "kid": "../../one"},
        {"alg": "RS256", "kid": "one", "crit": ["x"], "x": 1},
        {"alg": ["RS256"], "kid": "one"},
        {"alg": None, "kid": "one"},
        {"kid": "one"},
        [],
        "RS256",
    ],
)
def test_headers_that_lead_elsewhere(oidc: Set, header: Any) -> None:
    _, claims, signature = oidc.issuer.token().split(".")

    refused(oidc.get(f"{encoded(header)}.{claims}.{signature}"), 401, "token-invalid")


def test_what_is_no_jwt(oidc: Set) -> None:
    token = oidc.issuer.token()
    nested = text(b"[" * 5000)
    odd = ("..", "a.b", "a.b.c", f"{nested}..", f"{nested}.{nested[:100]}.x", "é")
    for wrong in (*odd, token[:-5], f"{token}.x"):
        shown = httpx.Headers({b"Authorization": f"Bearer {wrong}".encode()})
        answer = httpx.get(f"{oidc.secured.server.url}/events", headers=shown)
        refused(answer, 401, "token-invalid")


def test_claims_that_were_changed(oidc: Set) -> None:
    header, claims, signature = oidc.issuer.token().split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"roles": ["boss"]}

    refused(oidc.get(f"{header}.{encoded(changed)}.{signature}"), 401, "token-invalid")


def test_keys_are_rotated_and_made_up_ids_do_not_trouble_the_issuer(oidc: Set) -> None:
    issuer = oidc.issuer
    assert oidc.get(issuer.token()).status_code == 200
    issuer.keys["two"] = ec.generate_private_key(ec.SECP256R1())
    asked, began = issuer.asked, time.monotonic()
    for number in range(50):
        refused(oidc.get(issuer.token("two", **{"n": number})), 401, "token-invalid")
    assert issuer.asked - asked <= 2 + (time.monotonic() - began) / 5

    issuer.publish("one", "two")
    until(lambda: oidc.get(issuer.token("two")).status_code == 200)
    assert oidc.get(issuer.token()).status_code == 200

    issuer.broken = True
    asked = issuer.asked
    refused(oidc.get(issuer.token("two", key=rsa_key())), 401, "token-invalid")
    issuer.keys["three"] = rsa_key()
    until(lambda: oidc.get(issuer.token("three")).status_code == 401 and issuer.asked > asked)
    for kid in ("one", "two"):
        assert oidc.get(issuer.token(kid)).status_code == 200
    issuer.publish("two")
    issuer.broken = False
    del issuer.keys["three"]
    issuer.keys["four"] = rsa_key()

    def withdrawn() -> bool:
        """An unknown key makes the server fetch; then the first one is gone."""
        return [oidc.get(issuer.token(kid)).status_code for kid in ("four", "one")] == [401, 401]

    until(withdrawn)
    issuer.publish("one")


def encoded(value: Any) -> str:
    return text(json.dumps(value).encode())


def text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
