"""The pages of one saga: what it does and did, what may be asked of it, and how it was at a position."""
