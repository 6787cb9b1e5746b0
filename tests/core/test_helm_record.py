"""Helm's own record of a release, read back."""

import base64
import gzip
import json
from typing import Any

import pytest

from tasks.core import helm_record


def a_secret(version: int, status: str, **config: Any) -> dict[str, Any]:
    record = {
        "name": "my-release",
        "namespace": "default",
        "version": version,
        "config": config or None,
        "info": {"status": status, "description": "Upgrade complete"},
        "chart": {"metadata": {"name": "milvus", "version": "4.1.8", "appVersion": "2.3.5"}},
    }
    packed = base64.b64encode(gzip.compress(json.dumps(record).encode()))
    return {
        "metadata": {
            "name": f"sh.helm.release.v1.my-release.v{version}",
            "labels": {"version": str(version), "status": status},
        },
        "data": {"release": base64.b64encode(packed).decode()},
    }


def test_the_newest_revision_is_found_by_number_not_by_name() -> None:
    """v10 sorts before v9 as text."""
    secrets = [a_secret(9, "superseded"), a_secret(10, "deployed", service={"type": "ClusterIP"})]

    newest = helm_record.latest(secrets)

    assert newest is not None
    assert (newest.revision, newest.status, newest.chart_version) == (10, "deployed", "4.1.8")
    assert newest.values == {"service": {"type": "ClusterIP"}}


def test_a_failed_revision_leaves_the_deployed_one_as_the_base() -> None:
    secrets = [a_secret(1, "deployed", a=1), a_secret(2, "failed", a=2)]

    base = helm_record.deployed(secrets)

    assert base is not None
    assert base.values == {"a": 1}


def test_no_revision_is_no_release() -> None:
    assert helm_record.latest([]) is None


def test_values_never_show_in_a_repr() -> None:
    """User values may hold passwords."""
    assert "hunter2" not in repr(helm_record.decode(a_secret(1, "deployed", password="hunter2")))


def test_a_secret_that_is_no_release_is_named() -> None:
    with pytest.raises(ValueError, match="secret other holds no Helm release"):
        helm_record.decode({"metadata": {"name": "other"}, "data": {"release": base64.b64encode(b"e30=").decode()}})
