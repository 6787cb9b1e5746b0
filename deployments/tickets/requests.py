"""What a webhook may ask for, out of its body, with every fault told at once. No I/O."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ConfigurationError
from tasks.core.provision_request import ProvisionRequest
from tasks.core.teardown_request import TeardownRequest
from tasks.core.verify_request import VerifyRequest

CONFIGS: Final[dict[str, type[LoadBalancerConfig]]] = {
    "provision": ProvisionRequest,
    "verify": VerifyRequest,
    "teardown": TeardownRequest,
}
"""Flows that can be asked for, each deployed under its own name, with the model of their parameters."""

_KEYS: Final = ("ticket", "flow", "parameters", "attempt")
_MOST_ATTEMPTS = 100


class Malformed(ValueError):
    """A body is no JSON object of the kind we read."""


@dataclass(frozen=True)
class Request:
    """One request for one run."""

    flow: str
    config: LoadBalancerConfig
    attempt: int = 1
    """How often the run may have been begun; a failed run is begun again while it has been begun less often.

    A number and not a wish to retry, so that a message received twice begins nothing twice."""


def read(body: bytes, allowed: Collection[str]) -> Request:
    """Read and check a body.

    Args:
        body: JSON {ticket, parameters, flow?, attempt?}; the flow is provision if it is not named.
        allowed: names of the flows that may be asked for.

    Raises:
        Malformed: no JSON object, or a key twice.
        ConfigurationError: with every fault; no value of an unknown key is quoted.
    """
    found = _object(body)
    faults = [f"{name[:100]}: unknown key, the body has {', '.join(_KEYS)}" for name in found if name not in _KEYS]
    flow, attempt, parameters = found.get("flow", "provision"), found.get("attempt", 1), found.get("parameters", {})
    if not isinstance(flow, str) or flow not in allowed or flow not in CONFIGS:
        faults.append(f"flow: must be one of {', '.join(sorted(set(allowed) & set(CONFIGS)))}")
    if type(attempt) is not int or not 1 <= attempt <= _MOST_ATTEMPTS:
        faults.append(f"attempt: must be a whole number from 1 to {_MOST_ATTEMPTS}")
    ticket = found.get("ticket", "")
    if not isinstance(ticket, str) or not ticket.strip():
        faults.append("ticket: must be the reference of the request")
    model = CONFIGS.get(flow, LoadBalancerConfig) if isinstance(flow, str) else LoadBalancerConfig
    config: LoadBalancerConfig | None = None
    if not isinstance(parameters, dict):
        faults.append("parameters: must be an object of keys and values")
    else:
        if parameters.get("ticket", ticket) != ticket:
            faults.append("parameters.ticket: says something else than ticket; leave it out")
        try:
            config = model.parse(parameters | ({"ticket": ticket} if isinstance(ticket, str) else {}))
        except ConfigurationError as error:
            faults.append(error.observed)
    if faults or config is None:
        raise ConfigurationError("request", "; ".join(faults), "No run was made. Mend the request and send it again.")
    return Request(str(flow), config, attempt)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except Malformed:
        raise
    except ValueError:
        raise Malformed("the body is no JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise Malformed("the body is no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: two readers would take it for two different requests."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Malformed("a key stands twice in one object")
    return found


def _refuse(constant: str) -> None:
    raise Malformed(f"{constant} is no JSON")
