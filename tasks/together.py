"""Reading calls side by side: one that fails does not end the others."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tasks import polling
from tasks.core.errors import ProvisioningError

_AT_ONCE = 8

Key = TypeVar("Key", bound=Hashable)


def together(
    calls: Mapping[Key, Callable[[], Any]],
) -> tuple[dict[Key, Any], dict[Key, ProvisioningError]]:
    """Make reading calls side by side, each patiently; what they gave, and why some gave nothing."""
    found: dict[Key, Any] = {}
    refused: dict[Key, ProvisioningError] = {}
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="look") as pool:
        futures = {key: pool.submit(polling.patiently, call) for key, call in calls.items()}
    for key, future in futures.items():
        try:
            found[key] = future.result()
        except ProvisioningError as error:
            refused[key] = error
    return found, refused
