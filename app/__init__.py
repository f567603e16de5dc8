"""The service: HTTP API, command line, executors, read models, and the root that puts them together."""
