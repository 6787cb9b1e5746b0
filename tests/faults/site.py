"""Where faults are injected: a release of the sandbox, and the hands of a user who breaks it."""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from kubernetes import config

from tasks.clients import doors, kubernetes, settings
from tasks.clients.kubernetes import Kind
from tasks.core import annotations, names, status
from tests.conftest import DOMAIN, QUICK
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]


class Site(World):
    """The release that the sandbox brings, with a real Milvus and a real Envoy; everybody's, so it is left healthy."""

    def __post_init__(self) -> None:
        self._api: Any = config.new_client_from_config(str(self.stack.kubeconfig))  # type: ignore[no-untyped-call]

    __hash__ = World.__hash__
    namespace, release, domain = "default", "my-release", DOMAIN

    @property
    def parameters(self) -> Json:
        """Of a run that is about something else than the long rungs of the proof."""
        return {"domain": self.domain, "proof_timeout_seconds": 60} | QUICK

    @property
    def marks(self) -> dict[str, str]:
        """Annotations of the Ingress, the controller's among them."""
        return status.marks(self.read(kubernetes.INGRESS))

    @property
    def backend_service(self) -> str:
        """Name of Milvus' backend service in Compute."""
        found = [name for name in status.backends_of(self.read(kubernetes.INGRESS)) if "default-http" not in name]
        return found[0]

    def answered(self, code: int) -> None:
        """Wait until the load balancer answers this machine with an HTTP status of its own."""
        address = status.ingress_address(self.read(kubernetes.INGRESS))

        def met() -> bool:
            answer = doors.knock_from("127.0.0.1", address, settings.https_port(), self.domain).answer
            return answer is not None and answer.status == code

        eventually(met)

    # --- what a user does to objects -------------------------------------------------------------------------------

    @contextmanager
    def edited(self, kind: Kind, change: Json, *, name: str = "") -> Iterator[None]:
        """A merge patch by kubectl edit, taken back afterwards."""
        before = self.read(kind, name)
        self.patch(kind, change, name=name)
        try:
            yield
        finally:
            self.patch(kind, _back(change, before), name=name)

    @contextmanager
    def annotated(self, kind: Kind, key: str, value: str | None, *, name: str = "") -> Iterator[None]:
        """An annotation set by hand, or taken away with None."""
        with self.edited(kind, {"metadata": {"annotations": {key: value}}}, name=name):
            yield

    @contextmanager
    def deleted(self, kind: Kind, name: str) -> Iterator[None]:
        """An object that somebody deleted; it is made again afterwards."""
        live = self.read(kind, name)
        self.cluster.delete(kind, self.namespace, name)
        eventually(lambda: self.cluster.read(kind, self.namespace, name) is None)
        kept = {key: live["metadata"][key] for key in ("name", "labels", "annotations") if key in live["metadata"]}
        again = {key: value for key, value in live.items() if key != "status"} | {"metadata": kept}
        try:
            yield
        finally:
            if self.cluster.read(kind, self.namespace, name) is None:
                self.write(again)

    def restart(self, state: str) -> None:
        """Delete Milvus' Pod and wait until its successor's container is `waiting` or `running`."""
        (before,) = (pod["metadata"] for pod in self._pods())
        self.cluster.delete(kubernetes.POD, self.namespace, before["name"])
        eventually(
            lambda: any(self._is_in(state, pod) for pod in self._pods() if pod["metadata"]["uid"] != before["uid"])
        )

    def without_endpoints(self) -> None:
        """Wait until the last Pod has left the load balancer."""
        eventually(lambda: not self._pods() and not self._states())

    def restarted(self) -> None:
        """Wait until a Pod of Milvus runs."""
        eventually(lambda: any(self._is_in("running", pod) for pod in self._pods()))

    def _pods(self) -> list[Json]:
        labels = f"app.kubernetes.io/instance={self.release},component=standalone"
        return self.cluster.list_objects(kubernetes.POD, self.namespace, labels=labels)

    def _is_in(self, state: str, pod: Json) -> bool:
        containers = (pod.get("status") or {}).get("containerStatuses") or []
        return bool(containers) and all(state in (each.get("state") or {}) for each in containers)

    @contextmanager
    def complained(self, message: str, *, minutes_ago: float = 0) -> Iterator[None]:
        """What the Ingress controller has said some time ago."""
        moment = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = f"{self.service}.{time.monotonic_ns():x}"
        about = {"kind": "Ingress", "namespace": self.namespace, "name": self.service}
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "involvedObject": about}
        said = {"type": "Warning", "reason": "Sync", "message": message}
        self.write(event | said | {"firstTimestamp": moment, "lastTimestamp": moment})
        yield
        self.cluster.delete(kubernetes.EVENT, self.namespace, name)

    # --- what a user does in Compute and DNS -----------------------------------------------------------------------

    def compute(self, method: str, path: str, body: Json | None = None) -> Json:
        """A call of somebody who has the project's Compute API at hand."""
        api = self.stack.compute
        answer = httpx.request(
            method,
            f"{api.url}/compute/v1/projects/{api.project}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {api.access_token('somebody')}"},
            trust_env=False,
        )
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found

    @contextmanager
    def patched(self, path: str, change: Json) -> Iterator[None]:
        """A Compute resource edited by hand, and set back afterwards."""
        before = self.compute("GET", path)
        self.compute("PATCH", path, change)
        try:
            yield
        finally:
            self.compute("PATCH", path, _back(change, before))

    @contextmanager
    def made(self, collection: str, body: Json) -> Iterator[Json]:
        """A Compute resource that somebody makes, until it is in nobody's way any more."""
        self.compute("POST", collection, body)
        path = f"{collection}/{body['name']}"
        try:
            yield self.compute("GET", path)
        finally:
            eventually(lambda: not self.compute("GET", path).get("users"))
            self.compute("DELETE", path)

    def part(self, mark: str) -> str:
        """Name of a part of the load balancer, by the controller's annotation."""
        return self.marks[f"ingress.kubernetes.io/{mark}"]

    # --- whether it is well ---------------------------------------------------------------------------------------

    def picture(self) -> Json:
        """What Compute has of it, without what changes by itself."""
        marks, name = self.marks, self.backend_service
        parts = {
            "forwardingRules": marks["ingress.kubernetes.io/https-forwarding-rule"],
            "targetHttpsProxies": marks["ingress.kubernetes.io/https-target-proxy"],
            "urlMaps": marks["ingress.kubernetes.io/url-map"],
            "backendServices": name,
            "healthChecks": name,
        }
        found = {kind: self.compute("GET", f"global/{kind}/{part}") for kind, part in parts.items()}
        return {
            kind: {key: value for key, value in resource.items() if key not in _RESTLESS}
            for kind, resource in found.items()
        }

    def recover(self, healthy: object) -> None:
        """Wait until the load balancer is as it was, and its backends are healthy."""
        self.patch(kubernetes.INGRESS, {"metadata": {"annotations": {"touched": str(time.monotonic_ns())}}})
        eventually(lambda: self._is(healthy))

    def _is(self, healthy: object) -> bool:
        try:
            return self.picture() == healthy and self._healthy()
        except (AssertionError, KeyError, IndexError):
            return False

    def _healthy(self) -> bool:
        states = self._states()
        return bool(states) and set(states) == {"HEALTHY"}

    def _states(self) -> list[str]:
        path = f"global/backendServices/{self.backend_service}"
        groups = [backend["group"] for backend in self.compute("GET", path)["backends"]]
        answers = [self.compute("POST", f"{path}/getHealth", {"group": group}) for group in groups]
        return [each["healthState"] for answer in answers for each in answer.get("healthStatus", [])]

    def close(self) -> None:
        """Everybody's: nothing is taken away."""
        self.faults.clear()


def backend_config(site: World) -> str:
    """Name of the release's BackendConfig."""
    return names.backend_config(site.release)


_RESTLESS = ("id", "fingerprint", "creationTimestamp", "labelFingerprint")
APP_PROTOCOLS, BACKEND_CONFIG, NEG = annotations.APP_PROTOCOLS, annotations.BACKEND_CONFIG, annotations.NEG


def _back(change: Any, before: Any) -> Any:
    """The merge patch that undoes another one; what was not there goes as a whole."""
    if not isinstance(change, dict) or before is None:
        return before
    return {key: _back(value, before.get(key)) for key, value in change.items()}
