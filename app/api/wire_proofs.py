"""The shape of a proof."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class ProvedEvent(BaseModel):
    """The event for people; `data` and `metadata` are the text that was sealed."""

    position: int = Field(examples=[17])
    stream: str = Field(examples=["account-VINET"])
    version: int = Field(examples=[2])
    event_id: str
    type: str = Field(examples=["MoneyDeposited"])
    schema_version: int = Field(examples=[1])
    recorded_at: datetime
    data: str = Field(examples=['{"money": {"amount": 5000, "currency": "USD"}}'])
    metadata: str


class SiblingView(BaseModel):
    """A hash beside the path from the event up to the root of its block."""

    side: Literal["left", "right"]
    hash: str = Field(description="In hexadecimal.")


class HeaderView(BaseModel):
    """The header of a block: what its seal is the hash of."""

    algorithm: int = Field(examples=[1])
    block: int
    first_position: int
    last_position: int
    records: int = Field(description="Events and command ids in it.")
    sealed_at: datetime
    previous: str = Field(description="The hash of the header before, in hexadecimal.")
    root: str = Field(description="The root over the entries of the block, in hexadecimal.")


class ProofView(BaseModel):
    """A proof of one event, which `saga audit check` holds against an anchor without the database."""

    format: str = Field(examples=["saga-proof-1"])
    event: ProvedEvent
    fields: list[str] = Field(description="What was sealed of the event, in base64: this is what is proved.")
    path: list[SiblingView]
    blocks: list[HeaderView] = Field(description="From its block to that of the anchor.")
