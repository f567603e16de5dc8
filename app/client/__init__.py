"""A typed client of a server's HTTP API. The commands that ask a server use it, and so may you.

    async with SagaClient.connect("https://sagas.example", token=token) as client:
        saga = await client.start("transfer-funds", {"source": "a", ...}, wait_seconds=30)
        print(saga["status"])

Answers are what the server sent. `models` has their types, generated from its OpenAPI document by
`make client`; nothing is checked when they arrive, so a server that is newer may say more.
"""

from app.client.connection import ClientError, NoAnswer, Refused
from app.client.saga_client import SagaClient

__all__ = ["ClientError", "NoAnswer", "Refused", "SagaClient"]
