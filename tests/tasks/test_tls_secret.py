"""A self-managed certificate is made once, straight into its Secret; what an authority issued is never overwritten."""

import base64
import datetime as dt
import os
import signal
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sandbox.ca import CertificateAuthority
from tasks import tls_secret
from tasks.clients import kubernetes
from tasks.core import certificates
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed
from tasks.tls_secret import TlsCertificate
from tests.tasks.world import World

Json = dict[str, Any]


def make(config: LoadBalancerConfig) -> TlsCertificate:
    return tls_secret.make_tls_secret.fn(config)


def a_secret(name: str, certificate: bytes, key: bytes, **data: bytes) -> Json:
    entries = {"tls.crt": certificate, "tls.key": key} | {key.replace("_", "."): value for key, value in data.items()}
    encoded = {key: base64.b64encode(value).decode() for key, value in entries.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "data": encoded,
    }


def live(world: World) -> Json:
    return world.read(kubernetes.SECRET, f"{world.service}-tls")


def test_a_certificate_is_made_into_a_secret_of_the_type_that_gke_reads(world: World) -> None:
    made = make(world.config())

    secret = live(world)
    assert secret["type"] == "kubernetes.io/tls"
    facts = certificates.read(tls_secret.pem(secret, "tls.crt"))
    assert (facts.fingerprint, facts.domains) == (made.fingerprint, (world.domain,))
    assert made.change.action == "created"


def test_the_pair_in_the_secret_is_one_that_tls_takes(world: World, tmp_path: Path) -> None:
    make(world.config())

    pair = tmp_path / "pair.pem"
    pair.write_bytes(tls_secret.pem(live(world), "tls.key") + tls_secret.pem(live(world), "tls.crt"))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair)


def test_no_private_key_is_in_the_result(world: World) -> None:
    made = make(world.config())

    assert "PRIVATE" not in made.model_dump_json()


def test_a_second_call_keeps_the_certificate_and_writes_nothing(world: World) -> None:
    first = make(world.config())
    before = world.writes()

    second = make(world.config())

    assert second.fingerprint == first.fingerprint
    assert second.change.action == "unchanged"
    assert world.writes() == before


def test_a_further_domain_has_a_new_certificate_made(world: World) -> None:
    first = make(world.config())

    second = make(world.config(additional_domains=f"other.{world.domain}"))

    assert second.fingerprint != first.fingerprint
    assert second.change.action == "updated"
    assert f"does not cover other.{world.domain}" in second.change.detail


def test_a_certificate_near_its_end_is_made_anew(world: World) -> None:
    then = dt.datetime.now(dt.UTC) - dt.timedelta(days=85)
    pair = certificates.self_signed([world.domain], 90, then)
    world.write(a_secret(f"{world.service}-tls", pair.certificate_pem, pair.key_pem))

    made = make(world.config())

    assert made.change.action == "updated"
    assert "left, it is renewed below" in made.change.detail


def test_the_guides_certificate_without_a_subject_alternative_name_is_replaced(world: World) -> None:
    """`openssl req -x509 -subj /CN=…`: a common name alone, for 99999 days; no client of ours accepts it."""
    certificate, key = common_name_only(world.domain)
    world.write(a_secret(f"{world.service}-tls", certificate, key), manager="kubectl-create")

    made = make(world.config())

    assert made.change.action == "updated"
    assert "no subjectAltName" in made.change.detail
    assert made.domains == (world.domain,)


def test_what_an_authority_issued_in_our_place_is_kept_while_it_serves(world: World) -> None:
    leaf = CertificateAuthority().issue(world.domain)
    world.write(a_secret(f"{world.service}-tls", leaf.certificate_pem, leaf.key_pem))
    before = world.writes()

    made = make(world.config())

    assert made.change.action == "unchanged"
    assert world.writes() == before


def test_what_an_authority_issued_in_our_place_is_never_overwritten(world: World) -> None:
    leaf = CertificateAuthority().issue("other.example")
    world.write(a_secret(f"{world.service}-tls", leaf.certificate_pem, leaf.key_pem))
    before = world.writes()

    with pytest.raises(ResourceFailed, match="holds a certificate of an authority"):
        make(world.config())

    assert world.writes() == before


def test_runs_at_the_same_moment_leave_one_key_pair(world: World) -> None:
    together = threading.Barrier(4)

    def run() -> TlsCertificate:
        together.wait()
        return make(world.config())

    with ThreadPoolExecutor(4) as pool:
        made = [future.result() for future in [pool.submit(run) for _ in range(4)]]

    assert {each.fingerprint for each in made} == {
        certificates.read(tls_secret.pem(live(world), "tls.crt")).fingerprint
    }
    assert sorted(each.change.action for each in made) == ["created", "unchanged", "unchanged", "unchanged"]


def test_replacements_at_the_same_moment_leave_one_key_pair(world: World) -> None:
    certificate, key = common_name_only(world.domain)
    world.write(a_secret(f"{world.service}-tls", certificate, key), manager="kubectl-create")
    together = threading.Barrier(4)

    def run() -> TlsCertificate:
        together.wait()
        return make(world.config())

    with ThreadPoolExecutor(4) as pool:
        made = [future.result() for future in [pool.submit(run) for _ in range(4)]]

    assert {each.fingerprint for each in made} == {
        certificates.read(tls_secret.pem(live(world), "tls.crt")).fingerprint
    }


def test_a_run_killed_in_between_is_finished_by_the_next(world: World) -> None:
    """Killed anywhere: afterwards there is one Secret whose two halves fit."""
    script = (
        "import sys\n"
        "from tasks.core.config import LoadBalancerConfig\n"
        "from tasks import tls_secret\n"
        "print('begun', flush=True)\n"
        f"tls_secret.make_tls_secret.fn(LoadBalancerConfig.parse({world.config().model_dump(mode='json')!r}))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=dict(os.environ), text=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()

    made = make(world.config())

    secret = live(world)
    now = dt.datetime.now(dt.UTC)
    assert not certificates.faults(
        tls_secret.pem(secret, "tls.crt"), tls_secret.pem(secret, "tls.key"), made.domains, now
    )


def test_an_existing_secret_is_read_and_its_public_facts_told(world: World) -> None:
    leaf = CertificateAuthority().issue(world.domain)
    world.write(a_secret("ours-tls", leaf.certificate_pem, leaf.key_pem))
    before = world.writes()

    found = tls_secret.check_tls_secret.fn(
        world.config(certificate_mode="existing-secret", certificate_secret="ours-tls")
    )

    assert found.domains == (world.domain,)
    assert found.change.action == "unchanged"
    assert world.writes() == before


def test_an_existing_secret_that_was_deleted_meanwhile_is_told(world: World) -> None:
    config = world.config(certificate_mode="existing-secret", certificate_secret="ours-tls")

    with pytest.raises(ResourceFailed, match="does not exist"):
        tls_secret.check_tls_secret.fn(config)


def test_what_a_client_must_trust_is_the_authority_that_the_secret_names() -> None:
    """cert-manager writes it as ca.crt."""
    authority = CertificateAuthority()
    leaf = authority.issue("milvus.example")
    secret = a_secret("ours-tls", leaf.certificate_pem, leaf.key_pem, ca_crt=authority.certificate_pem)

    assert tls_secret.trust_root(secret) == authority.certificate_pem


def test_a_self_signed_certificate_is_its_own_trust_root() -> None:
    pair = certificates.self_signed(["milvus.example"], 30, dt.datetime.now(dt.UTC))

    assert tls_secret.trust_root(a_secret("ours-tls", pair.certificate_pem, pair.key_pem)) == pair.certificate_pem


def test_a_certificate_of_a_public_authority_needs_no_trust_of_its_own() -> None:
    leaf = CertificateAuthority().issue("milvus.example")

    assert tls_secret.trust_root(a_secret("ours-tls", leaf.certificate_pem, leaf.key_pem)) is None


def test_a_secret_that_lost_its_certificate_has_nothing_to_trust() -> None:
    assert tls_secret.trust_root(a_secret("ours-tls", b"", b"")) is None


def test_a_secret_that_is_no_base64_reads_as_empty() -> None:
    assert tls_secret.pem({"data": {"tls.crt": "%%%"}}, "tls.crt") == b""


def common_name_only(domain: str) -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    now = dt.datetime.now(dt.UTC)
    certificate = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now,
        not_valid_after=now + dt.timedelta(days=99_999),
    ).sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
