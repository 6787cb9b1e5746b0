"""Every fault a user can meet is named: whose job it is, what it is, and what to do.

The table stands in the modules beside this one; `make bench` prints it beside what check-gke-ingress says.
"""

from typing import Any

import pytest

from flows.provision import provision
from flows.verify import verify
from tasks.core.report import Report
from tests.faults import table
from tests.faults.fault import Fault
from tests.faults.site import Site
from tests.flows.running import fail
from tests.tasks.world import World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]


def of(where: str) -> list[Any]:
    return [pytest.param(each, id=each.name) for each in table.FAULTS if each.where == where]


def assert_named(report: Report, fault: Fault) -> None:
    assert report.verdict == "failed"
    error = report.error
    assert error is not None
    assert (error["layer"], error["cause"]) == (fault.layer, fault.cause), error
    assert fault.mend in error["mend"], error
    assert fault.seen in error["observed"], error


@pytest.mark.parametrize("fault", of("world"))
def test_a_fault_on_the_way_is_named(world: World, fault: Fault) -> None:
    world.install()

    with fault.inject(world):
        _, report = fail(provision, **table.parameters_of(world) | fault.parameters)

    assert_named(report, fault)


@pytest.mark.parametrize("fault", of("site"))
def test_a_fault_in_what_runs_is_named(site: Site, fault: Fault) -> None:
    with fault.inject(site):
        _, report = fail(verify, **fault.parameters)

    assert_named(report, fault)


def test_there_are_at_least_forty_and_none_of_them_twice() -> None:
    assert len(table.FAULTS) >= 40
    assert len({fault.name for fault in table.FAULTS}) == len(table.FAULTS)
