"""Durations as kubectl prints them (`k8s.io/apimachinery/pkg/util/duration` HumanDuration)."""

import datetime as dt

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 86400 * 365


def age(timestamp: str | None, now: dt.datetime) -> str:
    """The time since an RFC 3339 timestamp, `<unknown>` without one."""
    if not timestamp:
        return "<unknown>"
    return human((now - dt.datetime.fromisoformat(timestamp)).total_seconds())


def human(seconds: float) -> str:
    """A duration with at most two units, fewer the longer it is.

    >>> [human(each) for each in (5, 119, 121, 605, 7260, 100000)]
    ['5s', '119s', '2m1s', '10m', '121m', '27h']
    """
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 2 * _MINUTE:
        return f"{max(total, 0)}s"
    for limit, unit, letter, below, letter_below in (
        (10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (3 * _HOUR, _MINUTE, "m", 0, ""),
        (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (2 * _DAY, _HOUR, "h", 0, ""),
        (8 * _DAY, _DAY, "d", _HOUR, "h"),
        (2 * _YEAR, _DAY, "d", 0, ""),
        (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    ):
        if total < limit:
            rest = total % unit // below if below else 0
            return f"{total // unit}{letter}" + (f"{rest}{letter_below}" if rest else "")
    return f"{total // _YEAR}y"
