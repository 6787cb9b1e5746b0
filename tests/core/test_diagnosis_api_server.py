"""What the API server refuses, and whose job it is: RBAC is one of many that answer 403."""

import pytest

from tasks.core.diagnosis import Outlook, of_refusal
from tasks.core.diagnosis.api_server import ACCESS_REFUSED

STOP, RETRY = Outlook.STOP, Outlook.RETRY


@pytest.mark.parametrize(
    ("status", "message", "outlook", "cause", "mend"),
    [
        pytest.param(
            403,
            'ingresses.networking.k8s.io is forbidden: User "x" cannot create resource "ingresses" in API group '
            '"networking.k8s.io" in the namespace "ns"',
            STOP, ACCESS_REFUSED, "kubectl auth can-i --list", id="RBAC",
        ),
        pytest.param(
            403,
            'secrets "milvus-tls" is forbidden: unable to create new content in namespace vectors because it is being '
            "terminated",
            STOP, "NamespaceTerminating", "kubectl get namespace vectors -o jsonpath='{.status.conditions}'",
            id="namespace on its way out",
        ),
        pytest.param(
            403, 'admission webhook "policy.example.com" denied the request: an Ingress needs an owner label',
            STOP, "AdmissionDenied", "whose policy.example.com is", id="webhook that denies",
        ),
        pytest.param(
            400, 'admission webhook "policy.example.com" denied the request without explanation',
            STOP, "AdmissionDenied", "kubectl get validatingwebhookconfigurations", id="webhook with another status",
        ),
        pytest.param(
            422,
            "ingresses \"x\" is forbidden: ValidatingAdmissionPolicy 'no-public' with binding 'all' denied request: no",
            STOP, "AdmissionDenied", "kubectl get validatingadmissionpolicy no-public", id="policy",
        ),
        pytest.param(
            403, 'secrets "x" is forbidden: exceeded quota: team, requested: count/secrets=1, used: 5, limited: 5',
            STOP, "ResourceQuotaExceeded", "metadata.name=team", id="quota",
        ),
        pytest.param(
            404, 'namespaces "vectors" not found', STOP, "NamespaceMissing", "kubectl create namespace vectors",
            id="no namespace",
        ),
        pytest.param(
            500, 'Internal error occurred: failed calling webhook "policy.example.com": failed to call webhook: Post '
            '"https://policy.kyverno.svc:443/validate": connect: connection refused',
            RETRY, "WebhookUnreachable", "asks policy.example.com before every write", id="webhook that is away",
        ),
        pytest.param(503, "", RETRY, "Unreachable", "run again", id="nothing said"),
        pytest.param(429, "too many requests", RETRY, "Unreachable", "run again", id="too many requests"),
        pytest.param(409, "the object has been modified", RETRY, "Unreachable", "Run again", id="at the same moment"),
        pytest.param(500, "failed to create typed patch object", STOP, "ResourceFailed", "the field", id="schema"),
        pytest.param(422, "spec.tls: Invalid value", STOP, "ResourceFailed", "names the field", id="invalid"),
    ],
)  # fmt: skip
def test_a_refusal_is_named(status: int, message: str, outlook: Outlook, cause: str, mend: str) -> None:
    found = of_refusal(status, {"message": message})

    assert (found.outlook, found.cause) == (outlook, cause)
    assert message in found.observed
    assert mend in found.mend
