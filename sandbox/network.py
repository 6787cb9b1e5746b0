"""Loopback addresses of one sandbox.

Everything the sandbox reaches by address needs its own: each load balancer listens on 443, each pod on 19530. Linux
answers on all of 127.0.0.0/8, so a sandbox takes two neighbouring /24 networks, for load balancers and for pods.

Two sandboxes on one machine must not pick the same: a range is claimed by holding a bound UDP socket on its broadcast
address. The kernel frees it however the process dies, and network namespaces, whose loopbacks are separate, do not
disturb each other, which a lock file in the temporary folder would get wrong both times.
"""

import json
import random
import socket
import threading
from collections import deque
from pathlib import Path

_CLAIM_PORT = 27808
"""Any fixed port outside the ephemeral range (32768 and up): it is only ever a claim, nobody talks to it."""
_ATTEMPTS = 200


class NoAddressesLeft(Exception):
    """A range is used up, or no range is free on this machine."""


class AddressPool:
    """Hands out load-balancer and pod addresses until closed; safe to use from every thread.

    The chosen range is noted in `directory`, so that the next sandbox there gets the same one if it is still free.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = threading.Lock()
        self._note = directory / "network.json"
        self._claim, second, third = _claim(self._noted())
        directory.mkdir(parents=True, exist_ok=True)
        self._note.write_text(json.dumps({"range": [second, third]}))
        self.load_balancer_range = f"127.{second}.{third}.0/24"
        self.pod_range = f"127.{second}.{third + 1}.0/24"
        self._free = {
            "load balancer": deque(f"127.{second}.{third}.{host}" for host in range(1, 255)),
            "pod": deque(f"127.{second}.{third + 1}.{host}" for host in range(1, 255)),
        }
        self._used: dict[str, str] = {}

    def load_balancer_address(self) -> str:
        """Take a free address for a load balancer or a Service of type LoadBalancer."""
        return self._take("load balancer")

    def pod_address(self) -> str:
        """Take a free address for a pod."""
        return self._take("pod")

    def release(self, address: str) -> None:
        """Give an address back; it is reused last, so that nobody meets a predecessor's connections."""
        with self._lock:
            purpose = self._used.pop(address, None)
            if purpose is not None:
                self._free[purpose].append(address)

    def close(self) -> None:
        """Give the whole range back."""
        self._claim.close()

    def _take(self, purpose: str) -> str:
        with self._lock:
            if not self._free[purpose]:
                raise NoAddressesLeft(f"all {purpose} addresses of this sandbox are in use")
            address = self._free[purpose].popleft()
            self._used[address] = purpose
            return address

    def _noted(self) -> tuple[int, int] | None:
        try:
            second, third = json.loads(self._note.read_text())["range"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return int(second), int(third)


def _claim(preferred: tuple[int, int] | None) -> tuple[socket.socket, int, int]:
    """Bind the claim socket of a free range, the preferred one first."""
    chance = random.SystemRandom()
    # 127.0 and its neighbours are left to other programs that like loopback addresses, 127.255 holds the broadcast.
    candidates = [(chance.randrange(16, 250), chance.randrange(0, 254, 2)) for _ in range(_ATTEMPTS)]
    for second, third in [preferred, *candidates] if preferred else candidates:
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((f"127.{second}.{third}.255", _CLAIM_PORT))
        except OSError:
            claim.close()
            continue
        return claim, second, third
    raise NoAddressesLeft("no free range in 127.0.0.0/8: other sandboxes, or a system that only has 127.0.0.1")
