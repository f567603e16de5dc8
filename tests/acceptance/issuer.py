"""An OIDC issuer: its keys over real HTTP, and JWTs that are signed with them, or wrongly."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://login.example/shop"
AUDIENCE = "saga"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """What it publishes can be changed, and it can be out of order. It counts how often it is asked."""

    url: str = ""
    keys: dict[str, PrivateKey] = field(default_factory=lambda: {"one": rsa_key()})
    published: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False
    asked: int = 0

    def publish(self, *names: str) -> None:
        self.published = [public(name, self.keys[name]) for name in names]

    def token(self, kid: str = "one", key: Any = None, algorithm: str | None = None, **claims: Any) -> str:
        """A JWT that is right but for what is said otherwise; a claim that is None is left out."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "olga", "exp": now + 300, "roles": ["support"]}
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        signing = key if key is not None else self.keys[kid]
        default = "RS256" if isinstance(signing, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(said, signing, algorithm or default, headers={"kid": kid})


def public(name: str, key: PrivateKey) -> dict[str, Any]:
    algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that is up."""
    issuer = Issuer()
    issuer.publish("one")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            body = b"out of order" if issuer.broken else json.dumps({"keys": issuer.published}).encode()
            self.send_response(500 if issuer.broken else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}/jwks"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
