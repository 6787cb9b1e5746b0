"""Errors cross process borders by pickle, and their text is all a person sees."""

import pickle

import pytest

from tasks.core import errors
from tasks.core.errors import PreflightFailed, ProvisioningError


def classes(base: type[ProvisioningError] = ProvisioningError) -> list[type[ProvisioningError]]:
    own = [found for found in base.__subclasses__() if found.__module__ == errors.__name__]
    return [base, *(deeper for found in own for deeper in classes(found))]


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_an_error_comes_back_from_pickle_as_it_was(kind: type[ProvisioningError]) -> None:
    """Prefect persists a failure by pickling it."""
    error = kind("ingress ns/x", "no address after 20 s", "kubectl -n ns describe ingress x", "ingress")

    back = pickle.loads(pickle.dumps(error))

    assert type(back) is kind
    assert (str(back), back.as_dict()) == (str(error), error.as_dict())


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_an_error_says_what_was_seen_and_what_to_do(kind: type[ProvisioningError]) -> None:
    error = kind("ingress ns/x", "no address after 20 s.", "Look at its events.")

    assert str(error) == "ingress ns/x: no address after 20 s. Look at its events."
    assert error.as_dict() == {
        "layer": kind.layer,
        "cause": kind.__name__,
        "resource": "ingress ns/x",
        "observed": "no address after 20 s.",
        "mend": "Look at its events.",
    }


def test_every_class_stands_in_the_tree_of_the_module() -> None:
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in classes() if kind.__name__ not in errors.__doc__] == []


def test_one_failed_check_is_told_as_it_is() -> None:
    only = ProvisioningError("service ns/x", "does not exist", "Name another.", "milvus")

    assert PreflightFailed.of([only]).as_dict() == only.as_dict()


def test_several_failed_checks_are_told_at_once_and_no_mend_twice() -> None:
    failures = [
        ProvisioningError("service ns/x", "does not exist", "Name another.", "milvus"),
        ProvisioningError("secret ns/y", "does not exist", "Name another.", "certificate"),
    ]

    found = PreflightFailed.of(failures)

    assert found.resource == "preflight, 2 findings"
    assert found.observed == "service ns/x: does not exist; secret ns/y: does not exist"
    assert (found.mend, found.layer) == ("Name another.", "milvus")
