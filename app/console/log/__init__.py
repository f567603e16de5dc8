"""Pages of what is recorded, and of who follows it."""
