"""All pages of the console."""

from fastapi import APIRouter

from app.console import bulk, live, login, overview, sagas, starting, static_files
from app.console.log import aggregates, audit, events, executors, followers, streams
from app.console.saga import operations, travel
from app.console.saga import page as saga

router = APIRouter(include_in_schema=False)
_FIRST = (static_files, login, live, overview, sagas, bulk, starting, saga, operations, travel)
_LOG = (streams, events, aggregates, followers, executors, audit)
for module in (*_FIRST, *_LOG):
    router.include_router(module.router)
