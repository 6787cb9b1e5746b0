"""The form that a newcomer fills in, in a real browser, in both user interfaces that Prefect serves."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import browser
from tests.deployments.ticket_world import Prefect

ROOT = Path(__file__).parents[2]
FLOWS = [deployment["name"] for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]]
FORMS = {"older": "/deployments/deployment/{id}/run", "newer": "/v2/deployments/deployment/{id}/run"}
LABELS = "[...document.querySelectorAll('label')].map(label => label.innerText.trim())"
SUBMIT = "[...document.querySelectorAll('button')].find(button => button.innerText.trim() == 'Submit').click()"

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def server(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A Prefect server with the deployments."""
    prefect = Prefect(prefect_api, tmp_path_factory.mktemp("deploy"))
    prefect.deploy()
    yield prefect
    prefect.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    """A browser's window, tall enough for a whole form."""
    with browser.opened(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flow", FLOWS)
def test_every_field_of_a_form_has_a_label_and_help_in_words(
    server: Prefect, page: browser.Page, tmp_path: Path, flow: str, form: str
) -> None:
    """A name such as backend_timeout_seconds is a variable, not a label; markup such as <release> is swallowed."""
    deployment = server.call("GET", f"deployments/name/{flow}/{flow}")
    fields: dict[str, Any] = deployment["parameter_openapi_schema"]["properties"]
    ordered = sorted(fields.values(), key=lambda field: field["position"])
    last = ordered[-1]["title"]

    open_form(page, server, deployment, form, last)

    picture = page.screenshot(tmp_path / f"{flow}-{form}.png")
    labels = [label.removesuffix(" (Optional)") for label in page.run(LABELS)]
    text = " ".join(page.run("document.body.innerText").split())
    wordless = [name for name, field in fields.items() if "_" in field["title"] or not field["title"][0].isupper()]
    assert not wordless, f"these fields have no label of their own: {wordless}; see {picture}"
    missing = [field["title"] for field in ordered if field["title"] not in labels]
    assert not missing, f"the form shows no label {missing}; see {picture}"
    assert [label for label in labels if label in {field["title"] for field in ordered}] == [
        field["title"] for field in ordered
    ]
    helpless = [name for name, field in fields.items() if " ".join(field.get("description", "-").split()) not in text]
    assert not helpless, f"the form does not show the help of {helpless}; see {picture}"


def test_a_domain_and_one_click_make_a_run(server: Prefect, page: browser.Page) -> None:
    """Everything else has a default that the form sends as it is and the API takes."""
    deployment = server.call("GET", "deployments/name/provision/provision")
    open_form(page, server, deployment, "older", "Backend timeout (s)")

    fill_in_domain(page, "form.example.com")
    page.run(SUBMIT)

    page.wait("!location.pathname.endsWith('/run')", "page behind the form")
    (run,) = [run for run in server.runs() if run["parameters"].get("domain") == "form.example.com"]
    assert run["state_type"] in ("SCHEDULED", "PENDING")


def test_a_wrong_domain_is_named_where_it_was_typed(server: Prefect, page: browser.Page) -> None:
    deployment = server.call("GET", "deployments/name/provision/provision")
    open_form(page, server, deployment, "older", "Backend timeout (s)")

    fill_in_domain(page, "Not A Domain")
    page.run(SUBMIT)

    page.wait("document.body.innerText.includes('does not match')", "word on the domain")


def open_form(page: browser.Page, server: Prefect, deployment: dict[str, Any], form: str, last: str) -> None:
    """Open the form and wait until its last field is there."""
    page.open(server.url.removesuffix("/api") + FORMS[form].format(id=deployment["id"]))
    shown = f"{LABELS}.some(label => label.startsWith({json.dumps(last)}))"
    page.wait(f"document.body && {shown}", f"field {last}")


def fill_in_domain(page: browser.Page, text: str) -> None:
    """Type into the first field of the parameters, which is the domain, as keys do."""
    page.run("document.querySelector('textarea').focus()")
    page.call("Input.insertText", text=text)
    time.sleep(1.5)  # the form takes over what was typed after a pause, and shows nothing when it has
