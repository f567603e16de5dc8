"""The console: pages for people, made on the server by the functions that the API asks, never by HTTP."""
