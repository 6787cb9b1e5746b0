"""The report reaches Prefect: Markdown for people, its JSON twin, the table of resources, the link to the console."""

import json

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey

from tasks.core import report
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Change, Journal
from tasks.report import publish_report
from tests.conftest import a_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]


def published(release: str) -> dict[str, str]:
    """The newest artifact of each kind."""
    with get_client(sync_client=True) as client:
        found = client.read_latest_artifacts(
            artifact_filter=ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(like_=f"default-{release}"))
        )
    return {str(each.key).removesuffix(f"-default-{release}"): str(each.data) for each in found}


def publish(release: str, error: BaseException | None = None) -> report.Report:
    config = a_config(release=release, ticket="OPS-1")
    journal = Journal()
    journal.record(Change(resource=f"ingress default/{release}-milvus", action="created"))
    finished = report.build(
        config,
        journal,
        address="203.0.113.7",
        console="https://console.cloud.google.com/net-services/loadbalancing",
        error=error,
    )

    @flow(name="publish", persist_result=False)
    def run() -> None:
        publish_report(config, finished)

    run()
    return finished


def test_a_report_is_published_in_all_its_forms() -> None:
    finished = publish("all-forms")

    artifacts = published("all-forms")

    assert artifacts["milvus-l7-report"] == report.markdown(finished)
    twin = artifacts["milvus-l7-report-json"].removeprefix("```json\n").removesuffix("\n```")
    assert json.loads(twin)["address"] == "203.0.113.7"
    assert "ingress default/all-forms-milvus" in artifacts["milvus-l7-resources"]
    assert "console.cloud.google.com" in artifacts["milvus-l7-console"]


def test_a_failure_is_published_with_its_mend() -> None:
    publish("failed", ResourceFailed("ingress default/failed-milvus", "is gone", "Run it again.", "ingress"))

    assert "Run it again." in published("failed")["milvus-l7-report"]
