"""Keeps Google-managed certificates up to date: looks at the world, lets `certificates.judge` decide, notes it."""

import asyncio
import contextlib
import datetime as dt
import logging
import random
from typing import Any

from cryptography import x509

from sandbox.ca import CertificateAuthority
from sandbox.compute import certificates
from sandbox.compute.certificates import Lookup, Situation
from sandbox.compute.links import Ref
from sandbox.compute.lookup import look_up
from sandbox.compute.ssl_certificates import subject_alternative_names
from sandbox.compute.store import Material, Store, timestamp
from sandbox.dns.zones import Zones
from sandbox.faults import Faults
from sandbox.latency import Latency

_LOOK_AGAIN_SECONDS = 0.5
"""Faults and passing time change no store; this is how soon they are noticed."""

log = logging.getLogger(__name__)


class Issuance:
    """Google's certificate service, running in the API's event loop."""

    def __init__(self, store: Store, zones: Zones, ca: CertificateAuthority, faults: Faults, latency: Latency) -> None:
        self._store, self._zones, self._ca, self._faults, self._latency = store, zones, ca, faults, latency
        self._chance = random.SystemRandom()
        self._ready_at: dict[str, dt.datetime] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Evaluate whenever something changes, until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._store.on_change.append(self._wake.set)
        self._zones.on_change.append(self._zones_changed)
        while True:
            try:
                waiting = await self._evaluate()
            except Exception:
                log.exception("evaluating Google-managed certificates failed")
                waiting = True
            try:
                await asyncio.wait_for(self._wake.wait(), _LOOK_AGAIN_SECONDS if waiting else None)
            except TimeoutError:
                continue
            self._wake.clear()

    def _zones_changed(self) -> None:
        """Called by whichever thread changed a zone, also after the API has stopped."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _evaluate(self) -> bool:
        """Look at every certificate that is not issued yet; return whether there is one."""
        waiting = [ref for ref, body in self._store.of("sslCertificates") if _unissued(body)]
        for ref in waiting:
            situation = await self._situation(ref)
            resource = self._store.get(ref)
            if resource is not None and _unissued(resource) and situation is not None:
                self._judge(ref, resource, situation)
        return bool(waiting)

    async def _situation(self, ref: Ref) -> Situation | None:
        """What is the case for a certificate; None if it went away meanwhile."""
        resource = self._store.get(ref)
        if resource is None:
            return None
        domains = tuple(resource["managed"]["domains"])
        lookups: dict[str, Lookup] = {}
        front_ends = self._front_ends(ref)
        if front_ends and self._zones.served_at:
            found = await asyncio.gather(*(look_up(domain, self._zones.served_at) for domain in domains))
            lookups = dict(zip(domains, found, strict=True))
        fault = self._faults.armed().get("certificate-status")
        forced = {each: fault["status"] for each in domains if fault["domain"] in ("", "*", each)} if fault else {}
        stuck = "certificate-stuck" in self._faults.armed()
        # The load balancer may have changed while the answers came.
        return Situation(domains, self._front_ends(ref) & front_ends, lookups, forced, stuck)

    def _front_ends(self, ref: Ref) -> frozenset[str]:
        certificate = ref.url(self._store.project)
        proxies = {
            proxy.url(self._store.project)
            for proxy, body in self._store.of("targetHttpsProxies")
            if certificate in body.get("sslCertificates", [])
        }
        rules = [rule for _, rule in self._store.of("forwardingRules")]
        return frozenset(
            rule["IPAddress"] for rule in rules if rule["target"] in proxies and rule["portRange"] == "443-443"
        )

    def _judge(self, ref: Ref, resource: dict[str, Any], situation: Situation) -> None:
        now = self._store.clock()
        verdict = certificates.judge(
            situation,
            created=dt.datetime.fromisoformat(resource["creationTimestamp"]),
            ready_at=self._ready_at.get(resource["id"]),
            now=now,
            first_look=dt.timedelta(seconds=self._latency.certificate_seconds[0]),
            delay=lambda: dt.timedelta(seconds=self._chance.uniform(*self._latency.certificate_seconds)),
        )
        if verdict.ready_at is None:
            self._ready_at.pop(resource["id"], None)
        else:
            self._ready_at[resource["id"]] = verdict.ready_at
        failed = self._faults.armed().get("certificate-failed")
        status = failed["status"] if failed else verdict.status
        managed = resource["managed"] | {"status": status, "domainStatus": verdict.domains}
        if managed == resource["managed"]:
            return
        log.info("certificate %s: %s %s", ref.name, status, verdict.domains)
        changed = resource | {"managed": managed}
        self._store.put(ref, self._issued(ref, changed, now) if status == "ACTIVE" else changed)

    def _issued(self, ref: Ref, resource: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
        leaf = self._ca.issue(*resource["managed"]["domains"])
        pem = leaf.certificate_pem.decode()
        certificate = x509.load_pem_x509_certificate(leaf.certificate_pem)
        self._store.material[ref] = Material(pem, leaf.key_pem.decode(), issued_at=now)
        return resource | {
            "certificate": pem,
            "expireTime": timestamp(certificate.not_valid_after_utc),
            "subjectAlternativeNames": subject_alternative_names(certificate),
        }


def _unissued(resource: dict[str, Any]) -> bool:
    return bool(resource["type"] == "MANAGED" and resource["managed"]["status"] != "ACTIVE")
