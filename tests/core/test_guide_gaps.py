"""The gaps of the published guide, one by one, in the state that leaves each of them and in the one that does not."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from tasks.core import guide, manifests
from tasks.core.addresses import Choice, choice
from tasks.core.adoption import Gap
from tasks.core.certificates import CertificateFacts
from tasks.core.config import LoadBalancerConfig
from tasks.core.guide import Found

Json = dict[str, Any]
IP = "203.0.113.7"
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


def a_config(**changes: Any) -> LoadBalancerConfig:
    return LoadBalancerConfig.parse({"domain": "my-release.milvus.io"} | changes)


def an_ingress(**marks: str) -> Json:
    status = {"loadBalancer": {"ingress": [{"ip": IP}]}}
    return {"metadata": {"name": "my-release-milvus", "annotations": marks}, "spec": {}, "status": status}


def a_certificate(*domains: str, days: int = 99_999, self_signed: bool = True) -> CertificateFacts:
    return CertificateFacts(
        domains=domains,
        common_name="my-release.milvus.io",
        not_before=NOW,
        not_after=NOW + dt.timedelta(days=days),
        fingerprint="0f",
        key_type="RSA-2048",
        chain_length=1,
        self_signed=self_signed,
    )


def by_hand(**changes: Any) -> Found:
    """Every step of the guide, and none of its repairs."""
    service_marks = {
        "cloud.google.com/app-protocols": '{"milvus":"HTTP2"}',
        "cloud.google.com/backend-config": '{"default": "my-release-backendconfig"}',
        "cloud.google.com/neg": '{"ingress": true}',
    }
    tls = {"extraConfigFiles": {"user.yaml": "common:\n  security:\n    tlsMode: 1\n"}}
    found = Found(
        config=a_config(),
        address=Choice("my-release-milvus", promote=IP),
        revisions=(
            (1, {"service": {"type": "LoadBalancer"}, "externalS3": {"enabled": True, "secretKey": "hunter2"}}),
            (2, {"service": {"type": "ClusterIP"}}),
            (3, tls),
        ),
        chart="milvus --version 5.0.19",
        version=(2, 6),
        service={"metadata": {"annotations": service_marks}, "spec": {"ports": [{"name": "milvus", "port": 19530}]}},
        ingress=an_ingress(),
        backend_config={"metadata": {}, "spec": {"healthCheck": {"port": 9091}}},
        managed_certificate={"metadata": {}, "status": {"certificateStatus": "Provisioning"}},
        secret={"metadata": {}},
        certificate=a_certificate(),
        answers={"my-release.milvus.io": ()},
        user_yaml=tls["extraConfigFiles"]["user.yaml"],
    )
    return replace(found, **changes)


def gap(found: Found, number: int) -> Gap:
    (one,) = [each for each in guide.gaps(found) if each.number == number]
    return one


def numbers(found: Found) -> set[int]:
    return {each.number for each in guide.gaps(found)}


def test_the_guide_followed_literally_has_all_eleven_gaps() -> None:
    found = guide.gaps(by_hand())

    assert {each.number for each in found} == set(range(1, 12))
    assert [each.number for each in found] == sorted(each.number for each in found)
    assert all(each.seen and each.repair for each in found)


def test_lost_values_are_named_by_path_and_never_shown() -> None:
    one = gap(by_hand(), 1)

    assert "externalS3.enabled, externalS3.secretKey" in one.seen
    assert "hunter2" not in one.seen + one.repair
    assert "helm -n default get values my-release --revision 1" in one.repair
    assert "--reset-then-reuse-values" in one.repair
    assert one.by == "you"


@pytest.mark.parametrize(
    ("number", "repaired"),
    [
        pytest.param(1, {"revisions": ((3, {"a": 1}), (4, {"a": 2, "b": 3}))}, id="nothing lost between revisions"),
        pytest.param(2, {"attached": True}, id="an Ingress attaches the certificate"),
        pytest.param(3, {"certificate": a_certificate("my-release.milvus.io", days=365)}, id="SAN and a sane life"),
        pytest.param(3, {"certificate": a_certificate(self_signed=False)}, id="an authority's"),
        pytest.param(
            4, {"backend_config": {"metadata": {}, "spec": {"timeoutSec": 60}}}, id="a timeout, though not ours"
        ),
        pytest.param(
            5,
            {
                "ingress": an_ingress(**{"kubernetes.io/ingress.global-static-ip-name": "ip"}),
                "answers": {"my-release.milvus.io": (IP,)},
            },
            id="a named address and a record",
        ),
        pytest.param(6, {"ingress": an_ingress(**{"kubernetes.io/ingress.allow-http": "False"})}, id="no port 80"),
        pytest.param(6, {"ingress": None}, id="no Ingress, no port"),
        pytest.param(7, {"revisions": ()}, id="a release that Helm does not keep"),
        pytest.param(8, {"user_yaml": ""}, id="no TLS"),
    ],
)
def test_what_is_as_it_should_be_is_no_gap(number: int, repaired: Json) -> None:
    assert number in numbers(by_hand())
    assert number not in numbers(by_hand(**repaired))


def test_annotations_that_helm_knows_in_another_spelling_are_no_gap() -> None:
    told = {
        "cloud.google.com/app-protocols": '{"milvus": "HTTP2"}',
        "cloud.google.com/backend-config": '{"default":"my-release-backendconfig"}',
        "cloud.google.com/neg": '{"ingress":true}',
    }

    assert 7 not in numbers(by_hand(revisions=((1, {"service": {"annotations": told}}),)))


def test_an_address_that_gke_promoted_is_kept_and_the_person_told_what_it_is() -> None:
    found = by_hand(reserved=True, address=Choice("k8s2-fr-abc", named=False), answers={})

    one = gap(found, 5)

    assert "k8s2-fr-abc, which it deletes with the Ingress" in one.seen
    assert one.by == "you"


def test_a_record_is_written_where_a_zone_is_named_and_shown_where_not() -> None:
    kept = by_hand(ingress=an_ingress(**{"kubernetes.io/ingress.global-static-ip-name": "ip"}))

    shown = gap(kept, 5)
    written = gap(replace(kept, config=a_config(dns_managed_zone="zone")), 5)

    assert (shown.by, written.by) == ("you", "provision")
    assert f"my-release.milvus.io. 300 IN A {IP}" in shown.repair


@pytest.mark.parametrize(
    ("mode", "by"), [("self-managed", {2: "you", 3: "provision"}), ("google-managed", {2: "provision"})]
)
def test_who_repairs_a_certificate_is_told_by_the_mode(mode: str, by: dict[int, str]) -> None:
    found = guide.gaps(by_hand(config=a_config(certificate_mode=mode)))

    assert {each.number: each.by for each in found if each.number in (2, 3)} == by


@pytest.mark.parametrize(("version", "moves"), [((2, 4), False), ((2, 5), True), (None, True)])
def test_rest_moves_where_this_milvus_would_not_start_otherwise(version: tuple[int, int] | None, moves: bool) -> None:
    found = [each for each in guide.gaps(by_hand(version=version)) if each.number == 8]

    assert ("provision" in [each.by for each in found]) is moves


def test_what_this_project_made_has_no_gap_of_the_guides() -> None:
    """The exposure guard looks at passwords and allow-lists from then on."""
    config = a_config()
    ingress = manifests.ingress(config, 19530) | {"status": {"loadBalancer": {"ingress": [{"ip": IP}]}}}
    labels = {"metadata": manifests.tls_secret(config, b"", b"")["metadata"]}
    found = by_hand(
        revisions=((4, {"service": {"annotations": by_hand().service["metadata"]["annotations"]}}),),  # type: ignore[index]
        ingress=ingress,
        backend_config=manifests.backend_config(config),
        frontend_config=manifests.frontend_config(config),
        managed_certificate=None,
        secret=labels,
        certificate=a_certificate("my-release.milvus.io", days=365),
        answers={"my-release.milvus.io": (IP,)},
        user_yaml="common: {security: {tlsMode: 1}}\nproxy: {http: {port: 8080}}\n",
    )

    assert guide.gaps(found) == []


def test_a_fresh_release_has_no_gap() -> None:
    assert guide.gaps(Found(config=a_config(), address=Choice("my-release-milvus"))) == []


# --- which address ---------------------------------------------------------------------------------------------------

NAMED = "kubernetes.io/ingress.global-static-ip-name"
PROMOTED = "ingress.kubernetes.io/static-ip"


@pytest.mark.parametrize(
    ("ingress", "reserved", "rules", "chosen"),
    [
        pytest.param(None, {}, [], Choice("my-release-milvus"), id="no Ingress: the usual name"),
        pytest.param(
            an_ingress(), {}, [IP], Choice("my-release-milvus", promote=IP), id="an ephemeral address is reserved"
        ),
        pytest.param(
            an_ingress(), {}, [], Choice("my-release-milvus"), id="an address that no rule has any more is lost"
        ),
        pytest.param(
            an_ingress(),
            {"my-release-milvus": "203.0.113.99"},
            [IP],
            Choice("my-release-milvus-2", promote=IP),
            id="the usual name is taken by another address",
        ),
        pytest.param(
            an_ingress(), {"office": IP}, [IP], Choice("office"), id="reserved by somebody under another name"
        ),
        pytest.param(
            an_ingress(**{PROMOTED: "k8s2-fr-a"}),
            {"k8s2-fr-a": IP},
            [IP],
            Choice("k8s2-fr-a", named=False),
            id="promoted by GKE: not named",
        ),
        pytest.param(
            an_ingress(**{NAMED: "office"}), {"office": IP, "b": IP}, [IP], Choice("office"), id="named by the Ingress"
        ),
        pytest.param(
            an_ingress(**{NAMED: "gone"}),
            {},
            [IP],
            Choice("gone", promote=IP),
            id="named, and the reservation given back meanwhile",
        ),
    ],
)
def test_a_load_balancer_keeps_the_address_it_has(
    ingress: Json | None, reserved: dict[str, str], rules: list[str], chosen: Choice
) -> None:
    resources = [{"name": name, "address": address} for name, address in reserved.items()]

    assert choice(a_config(), ingress, resources, [{"IPAddress": each} for each in rules]) == chosen


def ours(name: str, manager: str) -> Json:
    """An Ingress with our label that names an address, written by somebody."""
    ingress = an_ingress(**{NAMED: name})
    ingress["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "milvus-gke-l7"}
    fields: Json = {"f:metadata": {"f:annotations": {f"f:{NAMED}": {}}}}
    operation = "Apply" if manager == "milvus-gke-l7" else "Update"
    ingress["metadata"]["managedFields"] = [{"manager": manager, "operation": operation, "fieldsV1": fields}]
    return ingress


@pytest.mark.parametrize(("manager", "chosen"), [("milvus-gke-l7", "office"), ("kubectl-edit", "my-release-milvus")])
def test_a_name_that_somebody_wrote_into_our_ingress_is_drift_and_no_choice(manager: str, chosen: str) -> None:
    """One that we wrote there ourselves, when we took it over, is kept."""
    reserved = [{"name": "office", "address": IP}, {"name": "my-release-milvus", "address": "203.0.113.99"}]

    assert choice(a_config(), ours("office", manager), reserved, []) == Choice(chosen)


def test_an_address_that_is_asked_for_by_name_is_taken_whatever_there_is() -> None:
    config = a_config(address_name="mine")
    held = [{"name": "k8s2-fr-a", "address": IP}]
    both = [*held, {"name": "mine", "address": "203.0.113.99"}]

    assert choice(config, an_ingress(**{PROMOTED: "k8s2-fr-a"}), both, []) == Choice("mine")
    assert choice(config, an_ingress(**{PROMOTED: "k8s2-fr-a"}), held, []) == Choice("mine")
    assert choice(config, an_ingress(), [], [{"IPAddress": IP}]) == Choice("mine", promote=IP)
