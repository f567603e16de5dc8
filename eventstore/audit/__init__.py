"""Tamper evidence: seals over the log, their verification, anchors to keep elsewhere, proofs of events."""
