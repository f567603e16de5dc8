"""The demonstration: orders over HTTP, the server killed in the middle, then all its books checked."""
