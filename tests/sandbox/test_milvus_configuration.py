"""milvus.yaml of a server, from the package's template and a pod's user.yaml."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.milvus import configuration
from sandbox.milvus.configuration import PORTS, BadConfiguration, Layout
from sandbox.milvus.server import SHARED_PORT_PANIC, refusal

LAYOUT = Layout(home=Path("/home"), ports={name: 40000 + number for number, name in enumerate(PORTS)})


def milvus_yaml(user_yaml: str = "") -> dict[str, Any]:
    return configuration.milvus_yaml(configuration.template(), user_yaml, LAYOUT)


def test_any_key_of_user_yaml_reaches_milvus() -> None:
    tree = milvus_yaml("common: {security: {tlsMode: 1, authorizationEnabled: true}}\nproxy: {maxNameLength: 99}")

    assert tree["common"]["security"]["tlsMode"] == 1
    assert tree["common"]["security"]["authorizationEnabled"] is True
    assert tree["proxy"]["maxNameLength"] == 99
    assert tree["common"]["defaultPartitionName"] == "_default"


def test_ports_folders_and_services_are_the_sandboxes_whatever_user_yaml_says() -> None:
    tree = milvus_yaml("proxy: {port: 19530}\netcd: {use: {embed: false}}\nmq: {type: pulsar}")

    assert tree["proxy"]["port"] == LAYOUT.ports["proxy_port"]
    assert tree["etcd"]["use"]["embed"] is True
    assert tree["mq"]["type"] == "rocksmq"
    assert tree["localStorage"]["path"] == "/home/data"


def test_the_certificate_is_the_one_the_image_ships_unless_told_otherwise() -> None:
    assert milvus_yaml()["tls"]["serverPemPath"] == "configs/cert/server.pem"
    assert milvus_yaml("tls: {serverPemPath: /certs/tls.crt}")["tls"]["serverPemPath"] == "/certs/tls.crt"


def test_a_user_yaml_of_comments_alone_changes_nothing() -> None:
    assert milvus_yaml("# nothing\n") == milvus_yaml()


@pytest.mark.parametrize(
    ("user_yaml", "separate"),
    [
        pytest.param("", False, id="by default it shares the gRPC port"),
        pytest.param("proxy: {http: {port: 8080}}", True, id="a port of its own"),
        pytest.param("proxy: {http: {port: '8080'}}", True, id="as text"),
        pytest.param("proxy: {http: {port: 19530}}", False, id="the gRPC port named"),
        pytest.param("proxy: {http: {enabled: false}}", False, id="switched off"),
    ],
)
def test_rest_on_a_port_of_its_own_gets_a_free_one_of_this_machine(user_yaml: str, separate: bool) -> None:
    """Milvus binds every address; on 8080 itself it would meet the next Milvus, or anybody else."""
    port = milvus_yaml(user_yaml)["proxy"]["http"].get("port")

    assert port == (LAYOUT.ports["rest_port"] if separate else None)


@pytest.mark.parametrize("text", ["- a\n- b", "just text", "a: [", "\tx: 1"])
def test_a_user_yaml_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(BadConfiguration):
        milvus_yaml(text)


TLS = "common: {security: {tlsMode: 1}}\n"


@pytest.mark.parametrize(
    ("image", "user_yaml", "refused"),
    [
        pytest.param("milvusdb/milvus:v2.6.15", TLS, True, id="2.6 with TLS and REST on one port"),
        pytest.param("milvusdb/milvus:v2.5.0", TLS, True, id="2.5 as well"),
        pytest.param("milvusdb/milvus:v2.4.9", TLS, False, id="2.4 switches REST off by itself"),
        pytest.param("milvusdb/milvus:v2.3.5", TLS, False, id="2.3 too"),
        pytest.param("milvusdb/milvus:v2.6.15", "", False, id="no TLS"),
        pytest.param("milvusdb/milvus:v2.6.15", TLS + "proxy: {http: {enabled: false}}", False, id="REST off"),
        pytest.param("milvusdb/milvus:v2.6.15", TLS + "proxy: {http: {port: 8080}}", False, id="REST elsewhere"),
        pytest.param("milvusdb/milvus:v2.6.15", TLS + "proxy: {http: {port: 19530}}", True, id="REST on the same port"),
        pytest.param(
            "registry.example.com:5000/milvus:2.6-gpu", TLS, True, id="a registry with a port, a tag without v"
        ),
    ],
)
def test_tls_with_rest_on_the_same_port_is_refused_since_2_5(image: str, user_yaml: str, refused: bool) -> None:
    assert refusal(image, user_yaml) == (SHARED_PORT_PANIC if refused else None)
