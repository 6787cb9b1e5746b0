"""Errors must read as Google's own client prints them: controllers put that text into events."""

from collections.abc import Iterator

import pytest

from sandbox.compute_client import ComputeClient, GoogleApiError, OperationError
from tests.sandbox.gke_compute import Compute, running_compute


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compute]:
    with running_compute(tmp_path_factory.mktemp("compute")) as running:
        yield running


def test_an_insert_is_there_when_the_client_comes_back(compute: Compute) -> None:
    compute.client.insert("global/addresses", {"name": "one"})

    assert compute.client.get("global/addresses/one")["status"] == "RESERVED"
    assert [each["name"] for each in compute.client.list("global/addresses")] == ["one"]


def test_nothing_is_found_as_none(compute: Compute) -> None:
    assert compute.client.find("global/urlMaps/none") is None


def test_a_refusal_reads_as_googles_client_prints_it(compute: Compute) -> None:
    with pytest.raises(GoogleApiError) as error:
        compute.client.get("global/urlMaps/none")

    assert str(error.value) == (
        "googleapi: Error 404: The resource 'projects/sandbox-project/global/urlMaps/none' was not found, notFound"
    )
    assert (error.value.code, error.value.reason) == (404, "notFound")


def test_a_failed_operation_reads_as_the_controllers_print_it(compute: Compute) -> None:
    compute.faults.arm("quota-exceeded", metric="STATIC_ADDRESSES", where="operation", times=1)

    with pytest.raises(OperationError) as error:
        compute.client.insert("global/addresses", {"name": "two"})

    assert str(error.value).startswith("googleapi: Error 403: QUOTA_EXCEEDED - Quota 'STATIC_ADDRESSES' exceeded.")
    assert error.value.operation["status"] == "DONE"


def test_nobody_answering_is_an_error_of_the_same_kind() -> None:
    client = ComputeClient("http://127.0.0.1:1", "token", "p")

    with pytest.raises(GoogleApiError) as error:
        client.get("global/urlMaps/x")

    assert error.value.code == 0
    client.close()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(
            GoogleApiError(403, "m", [{"message": "m", "reason": "quotaExceeded"}]),
            "googleapi: Error 403: m, quotaExceeded",
            id="one error",
        ),
        pytest.param(
            GoogleApiError(500, "", [], "oops"),
            "googleapi: got HTTP response code 500 with body: oops",
            id="no JSON",
        ),
        pytest.param(
            GoogleApiError(400, "m", [{"message": "a", "reason": "r"}, {"message": "b", "reason": "s"}]),
            "googleapi: Error 400: m\nMore details:\nReason: r, Message: a\nReason: s, Message: b\n",
            id="several",
        ),
    ],
)
def test_the_text_of_an_error(error: GoogleApiError, text: str) -> None:
    assert str(error) == text
