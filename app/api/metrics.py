"""Figures for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from app.api.requests import RuntimeOf

router = APIRouter(tags=["health"])


@router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
async def metrics(runtime: RuntimeOf) -> PlainTextResponse:
    """Of this process, and of all processes together (read from the database a few seconds ago at most)."""
    text = generate_latest(runtime.figures.registry) + await runtime.cluster_figures.text()
    return PlainTextResponse(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
