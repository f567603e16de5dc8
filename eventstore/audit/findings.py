"""What a verification finds, and the report of all of it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

FINDINGS_MAX: Final = 200
"""As many are listed; the others are counted."""

FindingKind = Literal[
    "changed", "removed", "inserted", "seal", "anchor", "order", "sequence", "unprotected", "unsealed"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `place` is stream@version, or the command id; `between` are the neighbours of
    what was removed or inserted. A warning says that something is weak, not that it was broken."""

    kind: FindingKind
    detail: str
    position: int | None = None
    place: str | None = None
    block: int | None = None
    between: tuple[str, str] | None = None
    warning: bool = False


@dataclass
class Report:
    """What was verified, from which block to which, and what was found."""

    from_block: int
    last_block: int = 0
    last_position: int = 0
    events: int = 0
    commands: int = 0
    archived: int = 0
    anchors: int = 0
    unsealed_events: int = 0
    unsealed_since: datetime | None = None
    findings: list[Finding] = field(default_factory=list)
    left_out: int = 0
    _faults: int = 0

    @property
    def ok(self) -> bool:
        """Nothing worse than a warning was found."""
        return self._faults == 0

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._faults += not finding.warning
            if len(self.findings) < FINDINGS_MAX:
                self.findings.append(finding)
            else:
                self.left_out += 1

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        document = asdict(self)
        del document["_faults"]
        since = self.unsealed_since
        return {"ok": self.ok, **document, "unsealed_since": since and since.isoformat()}
