"""A teardown takes the configuration of provision as it is, and asks for no more than it reads."""

import inspect

import pytest

from flows.teardown import teardown
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ConfigurationError
from tasks.core.teardown_request import TeardownRequest


def test_by_default_the_address_and_milvus_are_left_as_they_are() -> None:
    request = TeardownRequest.parse({"domain": "milvus.example.com"})

    assert (request.release_address, request.restore_layer4) == (False, False)


def test_the_whole_configuration_of_provision_is_accepted() -> None:
    everything = LoadBalancerConfig.parse({"domain": "milvus.example.com"}).model_dump()

    assert TeardownRequest.parse(everything).release == "my-release"


def test_faults_are_told_together_as_of_provision() -> None:
    with pytest.raises(ConfigurationError) as caught:
        TeardownRequest.parse({"domain": "*.example.com", "release_adress": True, "delete_timeout_seconds": 0})

    for text in ("is a wildcard", "did you mean release_address?", "delete_timeout_seconds"):
        assert text in caught.value.observed


def test_what_is_not_used_is_a_field_of_the_configuration_that_the_form_does_not_show() -> None:
    shown = set(inspect.signature(teardown).parameters)

    assert set(LoadBalancerConfig.model_fields) > TeardownRequest.UNUSED
    assert shown == set(TeardownRequest.model_fields) - TeardownRequest.UNUSED
    assert {"release_address", "restore_layer4", "domain", "ticket", "when_busy"} <= shown
