"""Remote systems to try things with, over real HTTP. They can be told to misbehave."""

from app.sandbox.carrier import carrier_router
from app.sandbox.supplier import supplier_router

__all__ = ["carrier_router", "supplier_router"]
