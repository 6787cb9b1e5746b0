"""The Compute API of the sandbox: one in-memory store behind v1 and beta."""
