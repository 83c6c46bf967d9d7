"""The kernel's answer about connections, asked for real."""

import os
import socket

import pytest

from services.provisioner.backends.local import sockets


@pytest.fixture(params=[("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)], ids=["v4", "v6"])
def pair(request):
    """Both ends of a connection."""
    host, family = request.param
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with server, socket.create_connection(server.getsockname()[:2]) as client:
        accepted, _ = server.accept()
        with accepted:
            yield client, accepted, server


def inode(end):
    return os.fstat(end.fileno()).st_ino


def test_both_ends_of_a_connection_are_found_with_what_they_carried(pair):
    client, accepted, _ = pair
    client.sendall(b"x" * 5000)
    left = 5000
    while left:
        left -= len(accepted.recv(left))
    accepted.sendall(b"y" * 300)
    assert len(client.recv(300, socket.MSG_WAITALL)) == 300  # and with it went the confirmation
    found = sockets.connections()
    assert found[inode(accepted)].received == 5000
    assert found[inode(client)].received == 300
    assert 5000 <= found[inode(client)].sent <= 5001  # the kernel counts the beginning too


def test_who_only_listens_has_carried_nothing_and_is_not_there(pair):
    assert inode(pair[2]) not in sockets.connections()


def test_a_kernel_that_refuses_the_question_is_an_error(monkeypatch):
    monkeypatch.setattr(sockets, "_BY_FAMILY", 999)
    with pytest.raises(OSError, match="sock_diag"):
        sockets.connections()


def test_a_kernel_without_the_protocol_is_an_error(monkeypatch):
    monkeypatch.setattr(sockets, "_SOCK_DIAG", 31)
    with pytest.raises(OSError):  # noqa: PT011 - the text is the kernel's
        sockets.connections()
