"""DBOS alone: a workflow of five durable steps, each with one INSERT on a pool of its own."""

from dbos import DBOS

from app.bench.measure import Rate
from eventstore.connections import store_pool
from tests.bench.compare.contestant import INSERT, compete, make_table
from tests.bench.compare.dbos_workflow import configure, measure_workflow


async def run(url: str, clients: int, seconds: float) -> Rate:
    make_table(url)
    configure(url)
    async with store_pool(url, 16) as pool:

        @DBOS.step()
        async def insert(name: str, step: int) -> None:
            async with pool.connection() as connection:
                await connection.execute(INSERT, (name, step))

        return await measure_workflow(insert, clients, seconds)


if __name__ == "__main__":
    compete(run)
