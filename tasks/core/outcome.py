"""What a ticket system is told when a run ends: the few facts it shows, out of the report. Never a secret."""

import datetime as dt
from typing import Any

from tasks.core.report import Report


def of(finished: Report, *, flow: str, flow_run_id: str, moment: dt.datetime) -> dict[str, Any]:
    """The body of a callback.

    Args:
        finished: the report.
        flow: name of the flow, such as provision.
        flow_run_id: where the whole story is.
        moment: when the run ended, with a time zone.
    """
    certificate = finished.certificate
    told: dict[str, Any] = {
        "ticket": finished.ticket,
        "flow": flow,
        "flow_run_id": flow_run_id,
        "verdict": finished.verdict,
        "address": finished.address,
        "domain": str(finished.intent.get("domain", "")),
        "certificate": {
            "mode": certificate.mode.value,
            "fingerprint": certificate.fingerprint,
            "expires": certificate.expires,
        },
        "finished": moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    if finished.error:
        told["error"] = finished.error
    return told
