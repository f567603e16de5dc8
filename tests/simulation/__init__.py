"""Deterministic simulation of the saga kernel: one seed, one schedule (docs/reliability.md)."""
