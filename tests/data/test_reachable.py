"""The connectivity check of `rul quickstart`."""

import socket
import time

import pytest

from cmapss_rul.data import download as downloads


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setattr(downloads, "getproxies", dict)


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/a.zip"


def test_one_server_of_two_is_enough(server):
    assert downloads.any_reachable(["http://127.0.0.1:9/a.zip", server])


def test_no_server_is_reachable():
    assert not downloads.any_reachable(["http://127.0.0.1:9/a.zip", "http://127.0.0.1:99999/a.zip"])


def test_an_endless_name_lookup_does_not_block(monkeypatch):
    monkeypatch.setattr(downloads, "_connects", lambda _url: time.sleep(2) or True)
    start = time.monotonic()
    assert not downloads.any_reachable(["https://example.org"], seconds=0.1)
    assert time.monotonic() - start < 1.5


@pytest.mark.parametrize("proxy", ["{}", "http://{}"])
def test_a_proxy_is_contacted_instead_of_the_server(server, proxy, monkeypatch):
    address = server.removeprefix("http://").removesuffix("/a.zip")
    monkeypatch.setattr(downloads, "getproxies", lambda: {"https": proxy.format(address)})
    assert downloads.any_reachable(["https://nowhere.invalid/a.zip"])
    monkeypatch.setattr(downloads, "getproxies", lambda: {"http": "127.0.0.1:9"})
    assert not downloads.any_reachable([server])
