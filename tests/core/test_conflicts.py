"""The API server's text on conflicts, read field by field."""

import pytest

from tasks.core import conflicts
from tasks.core.conflicts import Conflict

NEG = ".metadata.annotations.cloud.google.com/neg"
SERVICE = "service milvus/my-release-milvus"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(
            f'Apply failed with 1 conflict: conflict with "kubectl-annotate" using v1: {NEG}',
            [Conflict(SERVICE, "kubectl-annotate", NEG)],
            id="one field",
        ),
        pytest.param(
            'Apply failed with 3 conflicts: conflicts with "kubectl-edit" using v1:\n- .spec.type\n'
            f'- .spec.ports\nconflicts with "python" with subresource "status":\n- {NEG}',
            [
                Conflict(SERVICE, "kubectl-edit", ".spec.type"),
                Conflict(SERVICE, "kubectl-edit", ".spec.ports"),
                Conflict(SERVICE, "python", NEG),
            ],
            id="several managers",
        ),
        pytest.param(
            "conflict occurred while applying object a/db /v1, Kind=ConfigMap: Apply failed with 1 conflict: conflict "
            'with "x" using v1: .data.user.yaml && conflict occurred while applying object a/db apps/v1, '
            'Kind=Deployment: Apply failed with 1 conflict: conflict with "x" using apps/v1: '
            '.spec.template.spec.containers[name="db"].image',
            [
                Conflict("configmap a/db", "x", ".data.user.yaml"),
                Conflict("deployment a/db", "x", '.spec.template.spec.containers[name="db"].image'),
            ],
            id="helm, several objects",
        ),
        pytest.param("services is forbidden", [], id="no conflict at all"),
    ],
)
def test_conflicts_are_read_from_the_text(text: str, found: list[Conflict]) -> None:
    assert list(conflicts.read(text, SERVICE)) == found


def test_a_conflict_told_twice_is_one() -> None:
    text = f'conflict with "a" using v1: {NEG}'

    assert len(conflicts.read(f"{text} && {text}", SERVICE)) == 1


def test_every_object_gets_one_command_with_all_its_annotations() -> None:
    found = [
        Conflict(SERVICE, "a", NEG),
        Conflict("ingress milvus/b", "a", ".metadata.annotations.x"),
        Conflict(SERVICE, "b", ".metadata.annotations.y"),
        Conflict(SERVICE, "b", ".spec.type"),
    ]

    assert conflicts.commands(found) == [
        "kubectl -n milvus annotate service my-release-milvus cloud.google.com/neg- y-",
        "kubectl -n milvus annotate ingress b x-",
    ]
    assert conflicts.edits(found) == ["kubectl -n milvus edit service my-release-milvus"]
