"""Which objects a controller looks at anew in its periodic resync.

A controller on GKE looks at all of them, every ten minutes. With a profile that does so every other second, a sandbox
with a few load balancers would do little else; so one that has been as it is for a while is looked at less often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class _Seen:
    state: object
    since: float
    looked: float


@dataclass
class Resync:
    """What is known of the objects since the looks before."""

    calm_seconds: float
    """So long an object must have been as it is, and then be left alone; 0: every one is looked at each time."""
    _seen: dict[str, _Seen] = field(default_factory=dict, init=False)

    def due(self, states: Mapping[str, object], now: float) -> list[str]:
        """The keys of the objects to look at now.

        Args:
            states: what each object is like, by its key; of one that is missing everything is forgotten.
            now: `time.monotonic()`.
        """
        known, self._seen = self._seen, {}
        due = []
        for key, state in states.items():
            seen = known.get(key)
            if seen is None or seen.state != state:
                seen = _Seen(state, since=now, looked=now)
                due.append(key)
            elif now - seen.since < self.calm_seconds or now - seen.looked >= self.calm_seconds:
                seen.looked = now
                due.append(key)
            self._seen[key] = seen
        return due
