"""The saga of `saga bench`: five commands, their events, journal and compensations."""

from app.bench import measure
from app.bench.measure import Rate
from app.bench.saga import BENCH
from app.logging import configure_logging
from app.runtime import running
from app.settings import Settings
from tests.bench.compare.contestant import compete
from workflows.sagas import SAGAS


async def run(url: str, clients: int, seconds: float) -> Rate:
    configure_logging("json", "ERROR")
    async with running(Settings(database_url=url), [*SAGAS, BENCH]) as runtime:
        return await measure.sagas(runtime, clients, seconds)


if __name__ == "__main__":
    compete(run)
