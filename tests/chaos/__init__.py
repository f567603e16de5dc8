"""Many executors, many faults at once, and a checker of what is left."""
