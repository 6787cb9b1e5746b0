"""Loopback addresses of one sandbox."""

import ipaddress
import socket
from pathlib import Path

import pytest

from sandbox.network import AddressPool, NoAddressesLeft


def test_two_sandboxes_never_share_an_address(tmp_path: Path) -> None:
    one, other = AddressPool(tmp_path / "one"), AddressPool(tmp_path / "other")

    taken = {pool.load_balancer_address() for pool in (one, other)} | {pool.pod_address() for pool in (one, other)}

    assert len(taken) == 4
    assert all(ipaddress.ip_address(address).is_loopback for address in taken)
    one.close()
    other.close()


def test_the_next_sandbox_in_a_folder_gets_the_range_again_unless_it_is_taken(tmp_path: Path) -> None:
    first = AddressPool(tmp_path)
    rival = AddressPool(tmp_path)
    assert rival.load_balancer_range != first.load_balancer_range
    first.close()
    rival.close()

    again = AddressPool(tmp_path)

    assert again.load_balancer_range == rival.load_balancer_range
    again.close()


def test_an_address_can_be_listened_on(tmp_path: Path) -> None:
    pool = AddressPool(tmp_path)

    with socket.create_server((pool.load_balancer_address(), 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()

    pool.close()


def test_a_released_address_comes_back_last_and_a_range_can_run_out(tmp_path: Path) -> None:
    pool = AddressPool(tmp_path)
    first = pool.pod_address()
    pool.release(first)

    rest = [pool.pod_address() for _ in range(254)]

    assert rest[-1] == first
    with pytest.raises(NoAddressesLeft):
        pool.pod_address()
    pool.close()
