"""The steps of the job: one module per resource, each an idempotent Prefect task."""
