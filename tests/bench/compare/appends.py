"""Single events, each an append of its own."""

from app.bench import measure
from app.bench.measure import Rate
from app.logging import configure_logging
from app.runtime import running
from app.settings import Settings
from tests.bench.compare.contestant import compete


async def run(url: str, clients: int, seconds: float) -> Rate:
    configure_logging("json", "ERROR")
    async with running(Settings(database_url=url)) as runtime:
        return await measure.appends(runtime, clients, seconds)


if __name__ == "__main__":
    compete(run)
