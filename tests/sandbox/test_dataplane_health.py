"""Health: what a check asks for, what counts as success, how results become verdicts and reports."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.dataplane.plane import health_report
from sandbox.dataplane.prober import Pace, Tally, targets
from sandbox.dataplane.probes import Check, probe
from sandbox.dataplane.snapshot import Snapshot

NEG = "https://www.googleapis.com/compute/v1/projects/p/zones/z/networkEndpointGroups"


def a_check(**fields: Any) -> Check:
    return Check.of({"type": "HTTP", "httpHealthCheck": {"port": 9091, "requestPath": "/healthz"}, **fields})


def test_a_fixed_port_is_probed_instead_of_the_serving_port() -> None:
    section = {"port": 9091, "portSpecification": "USE_FIXED_PORT", "requestPath": "/healthz"}

    assert Check.of({"type": "HTTP", "httpHealthCheck": section}).port == 9091
    assert Check.of({"type": "HTTP2", "http2HealthCheck": {"portSpecification": "USE_SERVING_PORT"}}).port is None


def test_absent_fields_have_computes_own_defaults() -> None:
    check = Check.of({"type": "HTTP"})

    assert (check.interval_seconds, check.timeout_seconds) == (5.0, 5.0)
    assert (check.healthy_threshold, check.unhealthy_threshold, check.path) == (2, 2, "/")


@pytest.mark.parametrize(
    ("results", "verdicts"),
    [
        pytest.param([True, True], [False, True], id="healthy after the threshold"),
        pytest.param([True, False, True, True], [False, False, False, True], id="in a row"),
        pytest.param([True, True, False, False, False], [False, True, True, True, False], id="unhealthy likewise"),
    ],
)
def test_results_become_a_verdict_by_the_thresholds(results: list[bool], verdicts: list[bool]) -> None:
    tally = Tally(a_check(healthyThreshold=2, unhealthyThreshold=3))

    assert [tally.count(success=each) for each in results] == verdicts


def intervals(pace: Pace, *results: bool) -> list[float]:
    return [pace.after(expected=each) for each in results]


def test_an_endpoint_that_goes_on_as_before_is_asked_less_often_down_to_once_a_second() -> None:
    """Each interval adds at most a fifth to the time that an endpoint has been as it is."""
    waited = intervals(Pace.of(a_check(), 0), *[True] * 30)

    assert waited[0] == 0.1
    assert waited[-1] == 1.0
    assert all(later <= 0.1 + sum(waited[:number]) / 5 + 1e-9 for number, later in enumerate(waited))


def test_the_first_other_answer_brings_the_short_interval_back() -> None:
    assert intervals(Pace.of(a_check(), 0), *[True] * 30, False, True)[-2:] == pytest.approx([0.1, 0.12])


def test_on_google_cloud_the_interval_is_the_one_configured() -> None:
    """With the profile `real`: five minutes of health checks leave the configured interval as it is."""
    pace = Pace.of(a_check(checkIntervalSec=15), 300)

    assert intervals(pace, True, True, False, True) == [15, 15, 15, 15]


class Statuses(http.server.BaseHTTPRequestHandler):
    """Answers with the status that is in the path."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Statuses)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("status", "success"), [(200, True), (204, False), (302, False), (404, False), (500, False)])
def test_only_status_200_is_success(port: int, status: int, success: bool) -> None:
    check = Check.of({"type": "HTTP", "httpHealthCheck": {"requestPath": f"/{status}"}})

    assert probe(check, "127.0.0.1", port) is success


@pytest.mark.parametrize("kind", ["HTTPS", "HTTP2"])
def test_a_tls_check_of_a_plaintext_port_fails(port: int, kind: str) -> None:
    """A BackendConfig without `type` takes HTTP2 from the Service, and 9091 is plain HTTP."""
    assert not probe(Check.of({"type": kind}), "127.0.0.1", port)


def test_a_dead_endpoint_is_a_failure_not_an_error() -> None:
    assert not probe(a_check(timeoutSec=1), "127.0.0.1", 1)


def a_snapshot() -> Snapshot:
    service = {"name": "be", "backends": [{"group": f"{NEG}/neg"}], "healthChecks": ["global/healthChecks/hc"]}
    return Snapshot(
        backend_services={"be": service, "unchecked": {"name": "unchecked", "backends": service["backends"]}},
        health_checks={"hc": {"name": "hc", "type": "HTTP"}},
        endpoints={"z/neg": (("240.1.2.3", 19530), ("240.1.2.4", 19530))},
    )


def test_every_endpoint_of_a_checked_backend_service_is_probed() -> None:
    found = targets(a_snapshot())

    assert {(target.backend_service, target.endpoint[0]) for target in found} == {
        ("be", "240.1.2.3"),
        ("be", "240.1.2.4"),
    }


def test_a_report_names_group_and_endpoint_and_leaves_out_what_has_no_verdict() -> None:
    verdicts = {("be", ("240.1.2.3", 19530)): True}

    assert health_report(a_snapshot(), verdicts) == {"z/neg": {"240.1.2.3:19530": "HEALTHY"}}
