"""DBOS alone: a workflow of five datasource transactions, each with one INSERT and DBOS's record of it."""

from dbos import AsyncSQLAlchemyDatasource
from sqlalchemy import text

from app.bench.measure import Rate
from app.database import sqlalchemy_url
from tests.bench.compare.contestant import compete, make_table
from tests.bench.compare.dbos_workflow import configure, measure_workflow

STATEMENT = text("insert into done (id, step, data) values (:id, :step, cast(:data as jsonb))")
DATA = '{"amount": 100, "currency": "USD"}'


async def run(url: str, clients: int, seconds: float) -> Rate:
    make_table(url)
    configure(url)
    source = await AsyncSQLAlchemyDatasource.create(sqlalchemy_url(url), {"pool_size": 16, "max_overflow": 0})

    @source.transaction(isolation_level="READ COMMITTED")
    async def insert(name: str, step: int) -> None:
        await source.sql_session().execute(STATEMENT, {"id": name, "step": step, "data": DATA})

    return await measure_workflow(insert, clients, seconds)


if __name__ == "__main__":
    compete(run)
