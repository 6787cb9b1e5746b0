"""The page of a run in Prefect's UI, in a real browser: a failure that a person reads, and the button that mends it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.stack import Stack
from tests import browser
from tests.workers.workplace import Workplace

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TEXT = "(document.body ? document.body.innerText : '')"
NAMED = "[...document.querySelectorAll('button, li')].filter(each => each.innerText.trim() == '{0}')"
REPORT = "milvus-l7-report-default-my-release"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.opened(tmp_path_factory.mktemp("chromium"), width=1400, height=1800) as opened:
        yield opened


def test_a_failed_run_shows_why_and_is_retried_by_a_click(
    workplace: Workplace, stack: Stack, page: browser.Page, tmp_path: Path
) -> None:
    stack.faults.arm("never-healthy")
    run = workplace.start(backends_timeout_seconds=4, ticket="OPS-9")
    assert workplace.end(run)["state"]["type"] == "FAILED", workplace.told(run)
    stack.faults.clear()
    site = workplace.url.removesuffix("/api")

    page.open(f"{site}/runs/flow-run/{run}")
    page.wait(f"{TEXT}.includes('ticket:OPS-9') && {TEXT}.includes('Failed')", "failed run with its ticket")
    click(page, "Artifacts")
    page.wait(f"{TEXT}.toLowerCase().includes('{REPORT}')", "report among the artifacts")
    page.screenshot(tmp_path / "failed.png")
    page.open(f"{site}/artifacts/artifact/{newest(workplace)}")
    page.wait(f"{TEXT}.includes('Failed: milvus.example') && {TEXT}.includes('UNHEALTHY')", "cause in the report")
    page.open(f"{site}/runs/flow-run/{run}")
    click(page, "Retry")
    click(page, "Retry", of=2)  # the question whether one is sure

    assert workplace.end(run, 2)["state"]["type"] == "COMPLETED", workplace.told(run)
    assert workplace.settled(run, 2)["apply-ingress"] == "Cached"
    page.open(f"{site}/artifacts/artifact/{newest(workplace)}")
    page.wait(f"{TEXT}.includes('Verified: milvus.example') && {TEXT}.includes('url-map')", "proof, rung by rung")
    page.screenshot(tmp_path / "verified.png")


def click(page: browser.Page, name: str, of: int = 1) -> None:
    """Click what bears the name, the last of so many, as soon as it is there."""
    named = NAMED.format(name)
    page.wait(f"{named}.length >= {of}", f"{name} to click on")
    page.run(f"{named}.at(-1).click()")


def newest(workplace: Workplace) -> str:
    """ID of the newest report."""
    filters = {"artifacts": {"key": {"any_": [REPORT]}}, "sort": "CREATED_DESC", "limit": 1}
    return str(workplace.call("POST", "artifacts/filter", filters)[0]["id"])
