"""The pure core: no I/O, no Prefect, no client library."""
