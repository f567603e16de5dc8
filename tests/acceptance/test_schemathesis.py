"""What a machine makes of our OpenAPI document: no request that it allows, and none that it does not, is
answered otherwise than the document says."""

import os
import subprocess
import sys
from typing import Final

import httpx
import pytest

from tests.acceptance.server import ROOT, ServerProcess, account_with, order_of, start, stock_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EXAMPLES: Final = 8
"""Random requests for each operation, besides the examples and the bounds of each field."""
ELSEWHERE: Final = r"^/sandbox|/watch$|/follow$"
"""Sandboxes are nobody's API; streams do not end, and have tests of their own."""
WITHOUT: Final = (
    "not_a_server_error,positive_data_acceptance,"  # ours know more: tests/acceptance/document_checks.py
    "unsupported_method,allow_header_conformance"  # POST /sagas/ID is a start, of a saga that has this name
)


@pytest.fixture
def busy_server(server: ServerProcess) -> ServerProcess:
    """A server whose shop has seen some business."""
    with httpx.Client(base_url=server.url, timeout=60) as http:
        http.post("/aggregates/account/shop/open-account", json={"currency": "USD"})
        customer, sku = account_with(http, 1_000_000), stock_of(http, 100)
        for _ in range(3):
            start(http, "fulfil-order", order_of(customer, sku)).raise_for_status()
    return server


@pytest.mark.timeout(900)
def test_every_answer_is_as_the_document_says(busy_server: ServerProcess) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{busy_server.url}/openapi.json"),
        *("--exclude-path-regex", ELSEWHERE, "--exclude-checks", WITHOUT),
        *("--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing"),
        *("--generation-deterministic", "--no-color", "--workers", "1"),
    ]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.acceptance.document_checks", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=850, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
