"""The project's figures, measured: `make bench`. A report, not a test."""
