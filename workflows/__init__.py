"""The sagas, and the kernel that runs them (`workflows.saga`)."""
