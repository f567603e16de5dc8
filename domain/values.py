"""Value types that the aggregates share: ids, names, quantities, addresses."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from domain.personal import Personal

QUANTITY_MAX: Final = 1_000_000
"""Items per command: no sum of them will reach 2^53, above which JSON readers disagree."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9._:-]+$")]
"""The key of a stream. `/` is left out of the alphabet: it separates the parts of longer keys."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""One line of text for people. Control characters are refused: Postgres cannot store NUL in jsonb."""

Note = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What somebody has to add, in one line; often nothing."""

PersonalName = Annotated[Name, Personal()]
"""The name of a person. Deciders see a token instead, which they can only compare and hand on."""

Quantity = Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX)]


class Address(BaseModel):
    """Where a parcel goes, and to whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: PersonalName
    country: Name
