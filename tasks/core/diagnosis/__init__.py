"""The cause catalogue: a fact goes in, a judged `Finding` comes out, no call is made.

None means that there is nothing to tell: it is as it should be, or on its way. A text nobody has seen before is never
swallowed and never ends a run: it comes back as it is, with the outlook "wait".
"""

from tasks.core.diagnosis.api_server import of_refusal
from tasks.core.diagnosis.certificates import of_certificate
from tasks.core.diagnosis.compute import of_compute_error
from tasks.core.diagnosis.events import is_over, is_overtaken, of_event, of_silence
from tasks.core.diagnosis.finding import Finding, Outlook
from tasks.core.diagnosis.health import of_health
from tasks.core.diagnosis.pods import of_deployment, of_pod

__all__ = [
    "Finding",
    "Outlook",
    "is_over",
    "is_overtaken",
    "of_certificate",
    "of_compute_error",
    "of_deployment",
    "of_event",
    "of_health",
    "of_pod",
    "of_refusal",
    "of_silence",
]
