"""What our flows are to Prefect, beside their names and parameters."""

from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

EVERY_FLOW: dict[str, Any] = {"persist_result": False, "validate_parameters": True}
"""A run's result is its report, which is an artifact."""

SIDE_BY_SIDE: dict[str, Any] = EVERY_FLOW | {"task_runner": ThreadPoolTaskRunner(max_workers=8)}
"""Of a flow whose steps run beside each other in this process; every run gets a runner of its own made of this one."""
