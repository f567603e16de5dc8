"""Read models: what projections keep for queries. All of it can be rebuilt from the log."""
