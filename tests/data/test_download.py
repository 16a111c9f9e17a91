import contextlib
import gzip
import io
import socket
import struct
import time
from types import SimpleNamespace

import httpx
import pytest

from cmapss_rul.data import download as downloads
from cmapss_rul.data.download import download
from cmapss_rul.system.errors import DataError
from tests.data._server import body, reset, serve, status

CONTENT = bytes(range(256)) * 700


def get(url: str) -> bytes:
    target = io.BytesIO(b"something older and longer" * 99_999)
    download(url, target, progress=False)
    return target.getvalue()


@pytest.mark.parametrize("length", [-1, None], ids=["length", "no length"])
def test_content(length):
    with serve(a=[body(CONTENT, length)]) as (address, _):
        assert get(f"{address}/a") == CONTENT


def test_redirects_are_followed():
    with serve(a=[status(302, Location="/b")], b=[body(CONTENT)]) as (address, asked):
        assert get(f"{address}/a") == CONTENT
        assert asked == ["/a", "/b"]


@pytest.mark.parametrize(
    "first", [reset, status(503), status(429), body(CONTENT, len(CONTENT) + 9)]
)
def test_a_temporary_failure_is_retried(first):
    with serve(a=[first, body(CONTENT)]) as (address, asked):
        assert get(f"{address}/a") == CONTENT
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "times", "message"),
    [
        (status(404), 1, "answered 404 Not Found"),
        (status(204), 1, "answered 204 No Content"),
        (status(500), 3, r"answered 500 Internal Server Error \(after 3 attempts\)"),
        (reset, 3, r"disconnected without .* \(after 3 attempts\)"),
        (body(CONTENT, len(CONTENT) + 9), 3, r"without sending complete .* \(after 3 attempts\)"),
        (status(302, Location="/a"), 6, "redirects more than 5 times"),
        (status(302, Location="file:///etc/passwd"), 1, "neither http nor https"),
        (status(302, Location="ftp://127.0.0.1/a"), 1, "neither http nor https"),
        (body(CONTENT, 1 << 40), 1, "is larger than 1073741824 bytes"),
    ],
)
def test_failures_are_one_line(answer, times, message):
    with serve(a=[answer]) as (address, asked):
        with pytest.raises(DataError, match=message) as caught:
            get(f"{address}/a")
        assert len(asked) == times
        assert str(caught.value).isprintable()


def test_a_body_without_end_is_bounded(monkeypatch):
    monkeypatch.setattr(downloads, "MAX_BYTES", 100_000)
    message = "is larger than 100000 bytes"
    with serve(a=[body(CONTENT, None)]) as (address, _), pytest.raises(DataError, match=message):
        get(f"{address}/a")


def drip(handler):
    """One byte of a long promised body, then silence until the client hangs up."""
    body(b"x", 10**6)(handler)
    until_closed(handler)


def drip_of_headers(handler):
    """A status line and a header that never ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    until_closed(handler)


def drip_of_chunks(handler):
    """A chunk whose extension never ends: the client sees no byte of the body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
    until_closed(handler)


def until_closed(handler):
    """Keep sending bytes until the client closes the connection, as the test expects."""
    with contextlib.suppress(OSError):
        handler.connection.settimeout(0.01)
        while True:
            handler.wfile.write(b"x")
            with contextlib.suppress(TimeoutError):
                if not handler.connection.recv(1):
                    break
    handler.close_connection = True


@pytest.mark.parametrize("answer", [drip, drip_of_headers, drip_of_chunks])
def test_a_trickle_is_cut_off_in_any_part_of_the_response(monkeypatch, answer):
    """Bytes arrive all the time, so no read times out: only the total time limits it."""
    monkeypatch.setattr(downloads, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(downloads, "MIN_RATE", 1e9)
    times = iter([0.0])  # at the start; a slow machine would take longer than half a second
    clock = SimpleNamespace(monotonic=lambda: next(times, 0.3), sleep=time.sleep)
    monkeypatch.setattr(downloads, "time", clock)
    with serve(a=[answer]) as (address, asked):
        with pytest.raises(DataError, match=r"is too slow: [0-9]+ bytes in 0 s"):
            get(f"{address}/a")
        assert asked == ["/a"]  # it is not retried


def test_an_endless_stream_is_cut_off(monkeypatch):
    monkeypatch.setattr(downloads, "MAX_SECONDS", 0.2)
    with serve(a=[drip]) as (address, _), pytest.raises(DataError, match=r"took longer than 0 s"):
        get(f"{address}/a")


def test_a_slow_body_that_ends_early_is_not_accepted(monkeypatch):
    """Without a length, the end of the connection is the end of the body."""
    monkeypatch.setattr(downloads, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(downloads, "MIN_RATE", 1e9)

    def answer(handler):
        body(b"x", None)(handler)
        until_closed(handler)

    with serve(a=[answer]) as (address, _), pytest.raises(DataError, match="is too slow"):
        get(f"{address}/a")


def test_a_compressed_response_is_refused_before_decompression():
    bomb = gzip.compress(bytes(10**7))
    with (
        serve(a=[body(bomb, Content_Encoding="gzip")]) as (address, _),
        pytest.raises(DataError, match="answered in the encoding gzip, expected plain bytes"),
    ):
        get(f"{address}/a")


def cut_by_reset(handler):
    """Half of the content, then a reset of the connection instead of its end."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    body(CONTENT[: len(CONTENT) // 2], len(CONTENT))(handler)
    handler.connection.close()
    handler.wfile = io.BytesIO()
    handler.close_connection = True


def test_a_reset_in_the_middle_then_success():
    with serve(a=[cut_by_reset, body(CONTENT)]) as (address, asked):
        assert get(f"{address}/a") == CONTENT
        assert len(asked) == 2


def test_pauses_grow_between_attempts(monkeypatch):
    pauses = []
    monkeypatch.setattr(downloads, "FIRST_PAUSE", 1.0)
    monkeypatch.setattr(downloads.time, "sleep", pauses.append)
    with serve(a=[status(503)]) as (address, _), pytest.raises(DataError, match="503"):
        get(f"{address}/a")
    assert pauses == [1.0, 2.0]


def test_more_bytes_than_promised_are_not_read():
    with serve(a=[body(CONTENT + b"more", len(CONTENT))]) as (address, _):
        assert get(f"{address}/a") == CONTENT


@pytest.mark.parametrize("length", ["-1", "12, 13", "x", "9" * 400])
def test_an_invalid_length_is_ignored(length):
    def answer(handler):
        handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nabc".encode())
        handler.close_connection = True

    with serve(a=[answer]) as (address, _), pytest.raises(DataError) as caught:
        get(f"{address}/a")
    assert str(caught.value).isprintable()


def test_control_characters_of_a_server_are_escaped():
    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 404 \x1b[31mGone\x9b\r\nContent-Length: 0\r\n\r\n")

    with serve(a=[answer]) as (address, _), pytest.raises(DataError) as caught:
        get(f"{address}/a")
    assert str(caught.value).isprintable()


def test_an_unreachable_server_is_reported():
    with pytest.raises(DataError, match=r"refused.*\(after 3 attempts\)"):
        get("http://127.0.0.1:9/a")
    with pytest.raises(DataError):
        get("http://:not a port/")


def test_progress_is_for_terminals(capfd):
    with serve(a=[body(CONTENT)]) as (address, _):
        download(f"{address}/a", io.BytesIO(), progress=True)
    assert capfd.readouterr() == ("", "")


def test_an_unreachable_server_is_not_retried(monkeypatch):
    tries = []

    def stream(*_args, **_options):
        tries.append(1)
        raise httpx.ConnectTimeout("")

    monkeypatch.setattr(httpx.Client, "stream", stream)
    with pytest.raises(DataError, match="no answer within 10 s"):
        get("http://127.0.0.1/a")
    assert len(tries) == 1


def part(content, start):
    """Response 206 with the rest of the content, if that is what was requested."""

    def answer(handler):
        assert handler.headers["Range"] == f"bytes={start}-"
        handler.send_response(206)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        handler.wfile.write(content[start:])

    return answer


def test_an_interrupted_stream_is_resumed(monkeypatch):
    monkeypatch.setattr(downloads, "FIRST_PAUSE", 0.0)
    half = len(CONTENT) // 2
    with serve(a=[body(CONTENT[:half], len(CONTENT)), part(CONTENT, half)]) as (address, asked):
        assert b"".join(downloads.stream(f"{address}/a", progress=False)) == CONTENT
    assert asked == ["/a", "/a"]


def test_a_stream_that_restarts_is_refused(monkeypatch):
    monkeypatch.setattr(downloads, "FIRST_PAUSE", 0.0)
    half = body(CONTENT[: len(CONTENT) // 2], len(CONTENT))
    with (
        serve(a=[half, body(CONTENT)]) as (address, _),
        pytest.raises(DataError, match="the server cannot resume a download"),
    ):
        b"".join(downloads.stream(f"{address}/a", progress=False))


def test_an_empty_stream():
    with serve() as (address, _), pytest.raises(DataError, match="answered 404"):
        b"".join(downloads.stream(f"{address}/a", progress=False))
