"""Which run may write to a release, decided on the wire."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prefect import flow, runtime
from prefect.task_runners import ThreadPoolTaskRunner

from sandbox.stack import DNS_ZONE
from tasks import helm, steps, turns
from tasks.clients import cloud_dns, compute, kubernetes
from tasks.core import fencing, lease, names
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import (
    AccessRefused,
    Busy,
    LeaseLost,
    NotReadyInTime,
    PreflightFailed,
    Superseded,
    Unreachable,
)
from tasks.core.lease import Run
from tasks.turns import Guard, Turn, await_turn
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]
SECONDS = 2


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_L7_LEASE_SECONDS", str(SECONDS))


@contextmanager
def a_run(world: World, name: str = "a", *, flow: str = "provision", attempt: str = "1") -> Iterator[Guard]:
    """Another run, in the same process: a guard of its own."""
    run = Run(id=name, flow=flow, name=f"run-{name}", holder=f"{name}/{attempt}")
    guard = Guard(world.config(), run, SECONDS)
    with fencing.installed(guard):
        try:
            yield guard
        finally:
            guard.close()


def turn(world: World, **changes: Any) -> Turn:
    return await_turn.fn(world.config(**changes))


def write(world: World, name: str = "a") -> None:
    """One write through the client, as a step makes it."""
    metadata = {"name": name, "namespace": world.namespace}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": str(time.time())}}
    world.cluster.apply(manifest, kubernetes.CONFIG_MAP)


def wrote(world: World, name: str = "a") -> bool:
    return world.cluster.read(kubernetes.CONFIG_MAP, world.namespace, name) is not None


def live(world: World) -> Json:
    return world.read(kubernetes.LEASE, names.lease(world.release))


def spec(world: World) -> Json:
    found: Json = live(world)["spec"]
    return found


def die(guard: Guard) -> None:
    """What SIGKILL leaves: no renewal, no release."""
    guard._stop.set()
    assert guard._thread is not None
    guard._thread.join()


def test_a_run_that_writes_nothing_makes_no_write_at_all(world: World) -> None:
    before = world.writes()

    with a_run(world):
        turn(world)

    assert world.writes() == before
    assert world.cluster.read(kubernetes.LEASE, world.namespace, names.lease(world.release)) is None


def test_the_first_write_takes_the_lease_and_the_end_gives_it_back(world: World) -> None:
    with a_run(world) as guard:
        found = turn(world)
        write(world)
        held = live(world)
        write(world, "b")
        assert guard.holds

    assert held["metadata"]["labels"] == names.LABELS
    assert held["spec"]["holderIdentity"] == "a/1"
    assert held["spec"]["leaseDurationSeconds"] == SECONDS
    assert held["spec"]["leaseTransitions"] == 1
    assert held["spec"]["acquireTime"] == held["spec"]["renewTime"]
    marks = {lease.RUN: "a", lease.FLOW: "provision", lease.RUN_NAME: "run-a", lease.TURN: str(found.number)}
    assert held["metadata"]["annotations"] == marks
    given = live(world)
    assert given["spec"]["holderIdentity"] == ""
    assert given["metadata"]["annotations"] == marks


def test_two_writes_within_a_renewal_take_one_write_of_the_lease(world: World) -> None:
    with a_run(world):
        turn(world)
        before = world.writes()[0]
        for name in ("a", "b", "c"):
            write(world, name)
        assert world.writes()[0] == before + 3 + 1


def test_every_client_asks_before_it_writes(world: World) -> None:
    """Without a turn nothing passes, at no API; nor is Helm started."""
    cluster, config = world.cluster, world.config(dns_managed_zone=DNS_ZONE)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": world.namespace}}
    place = (kubernetes.CONFIG_MAP, world.namespace, "a")
    calls: list[Callable[[], object]] = [
        lambda: cluster.apply(manifest, kubernetes.CONFIG_MAP),
        lambda: cluster.create(manifest, kubernetes.CONFIG_MAP),
        lambda: cluster.replace(manifest, kubernetes.CONFIG_MAP),
        lambda: cluster.merge_patch(*place, {}),
        lambda: cluster.delete(*place),
        lambda: compute.api(config).insert("addresses", {"name": world.service}),
        lambda: compute.api(config).delete("addresses", world.service),
        lambda: cloud_dns.zone(config).set_address(world.domain, "192.0.2.1", 60),
        lambda: helm.upgrade(helm.Upgrade(world.namespace, world.release, "no-chart", "", "", "", {}, {}), {}),
    ]
    before = world.writes()

    with a_run(world) as guard:
        turn(world)
        guard.close()
        for call in calls:
            with pytest.raises(LeaseLost, match="this run has ended"):
                call()
        assert cluster.may("create", kubernetes.LEASE, world.namespace)

    assert world.writes() == before


def test_a_write_before_the_wait_for_the_turn_is_a_bug(world: World) -> None:
    with a_run(world), pytest.raises(RuntimeError, match="await_turn comes before"):
        write(world)


@contextmanager
def elsewhere(guard: Guard) -> Iterator[None]:
    with fencing.installed(guard):
        yield


@pytest.fixture(params=[0, 1], ids=["a first Lease", "a Lease given back"])
def earlier(world: World, request: pytest.FixtureRequest) -> int:
    """How many runs have held the Lease before: it is created, or replaced."""
    for _ in range(request.param):
        with a_run(world, "earlier"):
            turn(world)
            write(world, "earlier")
    return int(request.param)


def test_of_two_runs_at_once_one_writes_and_the_other_is_told_to_look_again(world: World, earlier: int) -> None:
    with a_run(world, "a") as a, a_run(world, "b") as b:
        for guard in (a, b):
            with elsewhere(guard):
                turn(world)
        outcomes: dict[str, BaseException | None] = {}
        together = threading.Barrier(2)

        def go(guard: Guard) -> None:
            with elsewhere(guard):
                together.wait()
                try:
                    write(world, f"by-{guard.run.id}")
                    outcomes[guard.run.id] = None
                except Superseded as error:
                    outcomes[guard.run.id] = error

        threads = [threading.Thread(target=go, args=(guard,)) for guard in (a, b)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        (winner,) = [name for name, error in outcomes.items() if error is None]
        (loser,) = {"a", "b"} - {winner}
        assert (wrote(world, f"by-{winner}"), wrote(world, f"by-{loser}")) == (True, False)
        assert f"is held by provision run-{winner} (flow run {winner})" in str(outcomes[loser])
        assert spec(world)["leaseTransitions"] == 1 + earlier


@pytest.mark.usefixtures("earlier")
def test_a_superseded_run_writes_nothing_until_it_has_looked_again(world: World) -> None:
    with a_run(world, "b") as b:
        first = turn(world)
        with a_run(world, "a"):
            turn(world)
            write(world)
        for _ in range(2):
            with elsewhere(b), pytest.raises(Superseded, match="was held by provision run-a"):
                write(world, "b")
        assert not wrote(world, "b")

        again = turn(world)
        write(world, "b")

        assert again.after == "provision run-a (flow run a)"
        assert again.number == fencing.epoch() == first.number + 1
        assert wrote(world, "b")


def test_many_threads_of_one_run_take_it_once(world: World) -> None:
    with a_run(world) as guard:
        turn(world)

        def go(number: int) -> None:
            with elsewhere(guard):
                write(world, f"n{number}")

        threads = [threading.Thread(target=go, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(wrote(world, f"n{number}") for number in range(8))
        assert spec(world)["leaseTransitions"] == 1


def test_a_waiting_run_goes_on_when_the_other_ends(world: World, journal: Any) -> None:
    with a_run(world, "a") as a:
        turn(world)
        write(world)
        timer = threading.Timer(1.5 * SECONDS, a.close)
        timer.start()
        with a_run(world, "b"):
            found = turn(world)
            assert spec(world)["holderIdentity"] == ""
        timer.join()

    assert found.after == "provision run-a (flow run a)"
    assert not found.overrun


def test_a_run_that_does_not_wait_says_who_is_at_work_and_what_to_do(world: World) -> None:
    with a_run(world, "a"):
        turn(world)
        write(world)
        with a_run(world, "b"), pytest.raises(Busy) as caught:
            turn(world, when_busy="fail")

    error = caught.value
    assert error.resource == f"lease {world.namespace}/{names.lease(world.release)}"
    assert error.observed.startswith("is held by provision run-a (flow run a) since 20")
    assert f"kubectl -n {world.namespace} get lease {names.lease(world.release)} -o yaml" in error.mend
    assert "prefect flow-run inspect a" in error.mend
    assert "prefect flow-run cancel a" in error.mend


def test_a_wait_for_the_turn_ends_at_its_deadline(world: World) -> None:
    with a_run(world, "a"):
        turn(world)
        write(world)
        with a_run(world, "b"), pytest.raises(Busy, match="still after 1 s of waiting") as caught:
            turn(world, turn_timeout_seconds=1)

    assert isinstance(caught.value.__cause__, NotReadyInTime)


def test_a_dead_holder_is_overrun_after_its_time_even_by_a_run_that_does_not_wait(world: World) -> None:
    with a_run(world, "a") as a:
        first = turn(world)
        write(world)
        die(a)
        eventually(lambda: not lease.read(live(world)).looks_alive(turns._now()))
        begun = time.monotonic()
        with a_run(world, "b"):
            found = turn(world, when_busy="fail")
            write(world, "b")

            assert time.monotonic() - begun >= SECONDS
            assert (found.overrun, found.number) == (True, first.number + 1)
            assert (spec(world)["holderIdentity"], spec(world)["leaseTransitions"]) == ("b/1", 2)
            assert live(world)["metadata"]["annotations"][lease.TURN] == str(found.number)


def test_a_holder_that_wakes_up_after_it_was_overrun_writes_nothing(world: World) -> None:
    with a_run(world, "a") as a:
        turn(world)
        write(world)
        die(a)
        with a_run(world, "b"):
            turn(world)
            write(world, "b")
            refused = pytest.raises(LeaseLost, match=r"is held by provision run-b .* so configmap .*/late is not")
            with elsewhere(a), refused:
                write(world, "late")
            assert not wrote(world, "late")
            a.close()
            assert spec(world)["holderIdentity"] == "b/1"


def test_a_holder_that_was_paused_goes_on_if_nobody_took_its_place(world: World) -> None:
    with a_run(world) as guard:
        turn(world)
        write(world)
        die(guard)
        guard._renewed_at -= 10 * SECONDS
        before = spec(world)["renewTime"]

        write(world, "b")

        assert spec(world)["renewTime"] > before
        assert spec(world)["leaseTransitions"] == 1


def test_a_long_hold_is_kept_by_renewals(world: World) -> None:
    with a_run(world, "a"):
        turn(world)
        write(world)
        with a_run(world, "b"), pytest.raises(Busy):
            turn(world, turn_timeout_seconds=3 * SECONDS)
        write(world, "b")

        assert spec(world)["leaseTransitions"] == 1


def test_an_api_server_that_is_away_for_a_while_costs_a_run_nothing_but_time(world: World) -> None:
    with a_run(world) as guard:
        turn(world)
        write(world)
        world.faults.arm("kube-unavailable", verb="update", resource="leases")
        eventually(lambda: not guard._is_ours())
        with pytest.raises(Unreachable, match="lease "):
            write(world, "b")
        assert not wrote(world, "b")

        world.faults.clear()
        write(world, "b")

    assert spec(world)["holderIdentity"] == ""


def test_a_lease_that_somebody_deletes_stops_the_run(world: World) -> None:
    with a_run(world) as guard:
        turn(world)
        write(world)
        with fencing.installed(None):
            world.cluster.delete(kubernetes.LEASE, world.namespace, names.lease(world.release))
        eventually(lambda: not guard.holds)

        with pytest.raises(LeaseLost, match="was deleted"):
            write(world, "b")


def test_a_lease_that_somebody_annotates_stays_ours(world: World) -> None:
    with a_run(world) as guard:
        turn(world)
        write(world)
        world.annotate(kubernetes.LEASE, {"note": "hands off"}, name=names.lease(world.release))
        before = spec(world)["renewTime"]
        eventually(lambda: spec(world)["renewTime"] > before)
        assert guard.holds

    assert live(world)["metadata"]["annotations"]["note"] == "hands off"
    assert spec(world)["holderIdentity"] == ""


def test_a_retry_of_the_run_keeps_its_turn_and_another_run_has_the_next(world: World) -> None:
    numbers = []
    for name, attempt in (("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")):
        with a_run(world, name, attempt=attempt):
            numbers.append(turn(world).number)
            assert fencing.epoch() == numbers[-1]
            write(world)

    first = numbers[0]
    assert numbers == [first, first, first + 1, first + 2]
    assert spec(world)["leaseTransitions"] == 4


def test_a_person_reads_in_the_list_of_leases_who_it_is(world: World) -> None:
    """The columns of `kubectl get lease`."""
    with a_run(world):
        turn(world)
        write(world)
        api: Any = world._api
        path = kubernetes.LEASE.path(world.namespace, names.lease(world.release))
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        answer = api.call_api(*api.param_serialize("GET", path, header_params=accept, auth_settings=["BearerToken"]))
        answer.read()
        table = json.loads(answer.data)

    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Holder", "Age"]
    assert table["rows"][0]["cells"][:2] == [names.lease(world.release), "a/1"]


def test_two_flows_of_one_run_have_two_turns(world: World) -> None:
    """What provision has done does not count any more after a teardown that was started by the same parent."""
    numbers = []
    for name in ("provision", "teardown", "provision"):
        with a_run(world, "a", flow=name):
            numbers.append(turn(world).number)
            write(world)

    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


class Terminated(BaseException):
    """As Prefect's TerminationSignal."""


def test_a_run_that_is_stopped_gives_the_lease_back_and_keeps_its_error(world: World) -> None:
    def run() -> None:
        with turns.fenced(world.config()) as guard:
            turn(world)
            write(world)
            assert spec(world)["holderIdentity"] == guard.run.holder
            raise Terminated

    with pytest.raises(Terminated):
        run()

    assert spec(world)["holderIdentity"] == ""
    assert fencing.current() is None
    assert not any(thread.name.startswith(f"renew lease {world.namespace}/") for thread in threading.enumerate())


def test_a_lease_that_cannot_be_given_back_hides_no_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def run() -> None:
        with turns.fenced(world.config()):
            turn(world)
            write(world)
            world.faults.arm("kube-forbidden", verb="update", resource="leases")
            raise Terminated

    with pytest.raises(Terminated):
        run()

    assert "was not given back, it expires within 2 s" in caplog.text


def test_a_lease_is_not_given_back_while_a_write_is_under_way(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Helm goes on for a while in its thread when the run is cancelled."""
    monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 0.2)
    with a_run(world) as guard:
        turn(world)
        with fencing.writing("release a/b"):
            guard.close()
            with pytest.raises(LeaseLost):
                fencing.admit("service a/b")

    assert spec(world)["holderIdentity"] == "a/1"
    assert "a write is still under way" in caplog.text


def test_runs_on_two_releases_do_not_meet(world: World) -> None:
    with a_run(world, "a"):
        turn(world)
        write(world)
        other = world.config(release=f"other-{world.release}")
        guard = Guard(other, Run("b", "provision", "run-b", "b/1"), SECONDS)
        with fencing.installed(guard):
            await_turn.fn(other)
            write(world, "b")
            guard.close()

        assert spec(world)["holderIdentity"] == "a/1"


def test_a_role_that_may_not_read_leases_is_told_before_anything_is_written(world: World) -> None:
    world.faults.arm("kube-forbidden", verb="get", resource="leases")

    with a_run(world), pytest.raises(PreflightFailed, match='cannot get resource "leases"'):
        turn(world)


def test_a_role_that_may_not_write_leases_writes_nothing(world: World) -> None:
    world.faults.arm("kube-forbidden", verb="create", resource="leases")

    with a_run(world):
        turn(world)
        with pytest.raises(AccessRefused, match='cannot create resource "leases"'):
            write(world)

    assert not wrote(world)


def test_an_api_server_that_does_not_answer_is_told_before_anything_is_written(world: World) -> None:
    world.faults.arm("kube-unavailable", verb="get", resource="leases")

    with a_run(world), pytest.raises(PreflightFailed, match="answered 503"):
        turn(world)


def test_an_answer_that_was_lost_is_no_other_run(world: World) -> None:
    """The Lease was written, and the connection broke before we heard of it."""
    with a_run(world) as guard:
        turn(world)
        now = turns._now()
        wanted = lease.taken(
            lease.made(world.namespace, names.lease(world.release)), guard.run, fencing.epoch(), SECONDS, now
        )
        with fencing.installed(None):
            world.cluster.create(wanted, kubernetes.LEASE)

        write(world)

        assert guard.holds
        assert spec(world)["leaseTransitions"] == 1


def test_outside_of_a_run_the_wait_still_tells_who_is_at_work(world: World) -> None:
    with a_run(world, "a"):
        turn(world)
        write(world)
        with fencing.installed(None), pytest.raises(Busy):
            turn(world, when_busy="fail")


# --- in Prefect, and in processes of their own -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api")
@pytest.mark.parametrize("intruder", [False, True], ids=["nobody between", "another run between"])
def test_what_an_earlier_attempt_has_written_counts_until_another_run_writes(world: World, intruder: bool) -> None:
    """The steps run in threads of Prefect, where the guard and its turn are seen too."""
    calls: list[int] = []

    @steps.writing
    def write_it(config: LoadBalancerConfig) -> int:
        calls.append(fencing.epoch())
        write(world)
        return len(calls)

    def attempt(config: LoadBalancerConfig) -> Turn:
        with turns.fenced(config):
            found = await_turn.submit(config).result()
            write_it.submit(config).result()
            if len(seen) == 0:
                assert spec(world)["holderIdentity"].startswith(f"{runtime.flow_run.id}/")
                marks = live(world)["metadata"]["annotations"]
                assert (marks[lease.RUN], marks[lease.FLOW]) == (runtime.flow_run.id, "work")
        return found

    seen: list[Turn] = []

    @flow(name="work", retries=1, task_runner=ThreadPoolTaskRunner(max_workers=2))  # type: ignore[arg-type]
    def work() -> None:
        seen.append(attempt(world.config()))
        if len(seen) == 2:
            return
        if intruder:
            with a_run(world, "intruder"):
                turn(world)
                write(world)
        raise RuntimeError("fails the first time")

    work()

    first = seen[0].number
    assert [each.number for each in seen] == [first, first + 2 if intruder else first]
    assert calls == ([first, first + 2] if intruder else [first])


_PROCESS = """
import sys
from tasks import turns
from tasks.clients import kubernetes
from tasks.core.config import LoadBalancerConfig

config = LoadBalancerConfig.parse(__import__("json").loads(sys.argv[1]))
with turns.fenced(config):
    turns.await_turn.fn(config)
    for name in map(str.strip, sys.stdin):
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": config.namespace}}
        try:
            kubernetes.cluster(config).apply(manifest, kubernetes.CONFIG_MAP)
            print("written", flush=True)
        except Exception as error:
            print(type(error).__name__, error, flush=True)
"""


@contextmanager
def a_process(world: World) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, which writes a ConfigMap for every name it is given."""
    parameters = json.dumps({"domain": world.domain, "release": world.release, "namespace": world.namespace})
    process = subprocess.Popen(
        [sys.executable, "-c", _PROCESS, parameters], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def tell(process: subprocess.Popen[str], name: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.mark.slow
def test_a_process_that_is_killed_is_overrun_and_one_that_is_paused_writes_nothing_when_it_wakes(
    world: World,
) -> None:
    with a_process(world) as killed:
        assert tell(killed, "a") == "written"
        killed.kill()
        killed.wait()
        assert spec(world)["holderIdentity"]
        with a_process(world) as paused:
            assert tell(paused, "b") == "written"
            os.kill(paused.pid, signal.SIGSTOP)
            with a_run(world, "other"):
                assert turn(world).overrun
                write(world, "c")
                os.kill(paused.pid, signal.SIGCONT)

                assert tell(paused, "late").startswith("LeaseLost lease ")

            assert not wrote(world, "late")
            assert spec(world)["leaseTransitions"] == 3


@pytest.mark.slow
def test_a_process_that_ends_gives_the_lease_back(world: World) -> None:
    with a_process(world) as process:
        assert tell(process, "a") == "written"
        process.communicate(timeout=120)

    assert spec(world)["holderIdentity"] == ""
