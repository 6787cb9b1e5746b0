"""What a run learns on its way, until it ends in a report, for better or worse."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks.callback import send_outcome
from tasks.core import names, progress, report
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.diagnosis import troubles
from tasks.core.diagnosis.troubles import Trouble
from tasks.core.errors import ProofFailed, ProvisioningError
from tasks.core.progress import Journal
from tasks.core.report import Certificate, Left, Report, Verification
from tasks.dns_record import DnsRecord
from tasks.global_address import Address
from tasks.load_balancer import LoadBalancer
from tasks.managed_certificate import ManagedCertificate
from tasks.milvus_connection import Proof
from tasks.report import publish_report
from tasks.ticket import mark_run
from tasks.tls_secret import TlsCertificate


@dataclass
class Evidence:
    """Collects facts; when the run ends, the report is made of whatever is known by then, and published."""

    config: LoadBalancerConfig
    journal: Journal = field(default_factory=progress.adopt)
    address: str = ""
    project: str = ""
    records: list[DnsRecord] = field(default_factory=list)
    load_balancer: LoadBalancer = field(default_factory=LoadBalancer)
    certificate: TlsCertificate | ManagedCertificate | None = None
    proof: Proof | None = None
    found: list[Trouble] = field(default_factory=list)
    """What a look at a running system said is wrong, in no particular order."""
    left: tuple[Left, ...] | None = None
    """What a teardown has left, once it has looked."""

    def learn_address(self, result: object) -> str:
        """Take the address of the step that reserved or read it; empty when the run did neither."""
        self.address = result.address if isinstance(result, Address) else ""
        return self.address

    def learn_records(self, result: object) -> None:
        """Take what DNS says, if it was asked."""
        if isinstance(result, list):
            self.records = result

    def learn_load_balancer(self, result: object) -> None:
        """Take the load balancer's parts, if the run has seen them."""
        if isinstance(result, LoadBalancer):
            self.load_balancer = result

    def learn_proof(self, result: object) -> None:
        """Take the proof, if it was climbed."""
        if isinstance(result, Proof):
            self.proof = result

    def learn_certificate(self, result: object) -> None:
        """Take the certificate's facts out of a step's result, if it has any."""
        if isinstance(result, TlsCertificate | ManagedCertificate):
            self.certificate = result

    def learn_troubles(self, faults: Iterable[Exception], symptoms: object = None) -> None:
        """Take why looks failed, and what `read_symptoms` found.

        Raises:
            Exception: a look failed for a reason that is no finding.
        """
        for fault in faults:
            if not isinstance(fault, ProvisioningError):
                raise fault
            self.found.append(troubles.of_error(fault))
            self._learn_last_climb(fault)
        self.found += symptoms if isinstance(symptoms, list) else []

    def _learn_last_climb(self, error: Exception | None) -> None:
        """Take the ladder out of the failure that it ended in."""
        if isinstance(error, ProofFailed) and isinstance(error.last_climb, Proof):
            self.proof = self.proof or error.last_climb

    @property
    def troubles(self) -> list[Trouble]:
        """Everything found wrong, causes first."""
        journal = self.journal
        return troubles.in_order(
            [
                *troubles.of_checks(journal.checks),
                *self.found,
                *troubles.of_deviations(journal.deviations),
            ],
            journal.checks,
        )

    def end_in_the_first_cause(self) -> None:
        """End the run in the first cause of what is wrong, if anything is.

        Raises:
            ProvisioningError: something is wrong.
        """
        if found := self.troubles:
            raise troubles.as_error(found)

    @property
    def expected_fingerprint(self) -> str:
        """Fingerprint the load balancer must show; empty when Google chose the certificate."""
        return self.certificate.fingerprint if isinstance(self.certificate, TlsCertificate) else ""

    @contextmanager
    def concluded(self) -> Iterator[None]:
        """End a run in its report, for better or worse; a run that is killed or cancelled ends without one.

        Waits beside what failed are told to stop.
        """
        mark_run(self.config)
        try:
            yield
        except BaseException as error:
            self.journal.stop.set()
            if isinstance(error, Exception):
                self._conclude(error)
            raise
        self._conclude()

    @property
    def report(self) -> Report:
        """The report that was published."""
        finished: Report = self.journal.facts["report"]
        return finished

    def _conclude(self, error: Exception | None = None) -> None:
        """Publish the report and tell whoever wants to be told."""
        self._learn_last_climb(error)
        proof = self.proof
        finished = report.build(
            self.config,
            self.journal,
            address=self.address,
            certificate=self._certificate(proof),
            verification=_verification(proof),
            parts=self.load_balancer.resources(),
            dns_records=[_record(record, self.config.dns_ttl_seconds) for record in self.records],
            console=report.console_link(self.project, self.load_balancer.url_map),
            proves=self.config.proves,
            left=self.left,
            troubles=self.troubles if error else (),
            error=error,
        )
        self.journal.facts["report"] = finished
        publish_report(self.config, finished)
        send_outcome(self.config, finished)

    def _certificate(self, proof: Proof | None) -> Certificate:
        mode, namespace = self.config.certificate_mode, self.config.namespace
        seen = proof.fingerprint if proof else ""
        match self.certificate:
            case TlsCertificate() as made:
                return Certificate(
                    mode=mode,
                    name=f"secret {namespace}/{made.secret}",
                    compute_name=next(iter(self.load_balancer.ssl_certificates), ""),
                    fingerprint=made.fingerprint,
                    domains=made.domains,
                    expires=made.expires,
                    status="served" if seen == made.fingerprint else "",
                )
            case ManagedCertificate() as issued:
                return Certificate(
                    mode=mode,
                    name=f"managedcertificate {namespace}/{issued.name}",
                    compute_name=issued.compute_name,
                    fingerprint=seen,
                    domains=issued.domains,
                    expires=issued.expires,
                    status=issued.state,
                )
        if mode is CertificateMode.GOOGLE_MANAGED:
            return Certificate(
                mode=mode, name=f"managedcertificate {namespace}/{names.certificate(self.config.release)}"
            )
        return Certificate(mode=mode, name=f"secret {namespace}/{self.config.tls_secret}")


def _verification(proof: Proof | None) -> Verification:
    if proof is None:
        return Verification()
    return Verification(
        outcome="passed" if proof.passed else "failed",
        rungs=proof.rungs,
        call=proof.call,
        async_call=proof.async_call,
        server_version=proof.server_version,
    )


def _record(record: DnsRecord, ttl_seconds: int) -> str:
    """The record, and that it is right or what is wrong with it."""
    return f"{record.to_create(ttl_seconds)} (right)" if record.right else record.advice(ttl_seconds)
