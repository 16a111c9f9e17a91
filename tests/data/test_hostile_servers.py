"""Malicious servers and `fetch`: a one-line error, and no partial files."""

import contextlib
import tempfile

import pytest

from cmapss_rul.data import download as downloads
from cmapss_rul.data.columns import file_names
from cmapss_rul.data.sources import fetch
from cmapss_rul.system.errors import DataError
from tests.data._server import body, reset, serve, status
from tests.data._texts import small_set, zipped
from tests.data.test_download import cut_by_reset, drip, drip_of_chunks, drip_of_headers
from tests.data.test_hostile_archives import tree

NAMES = file_names(["FD001"])
WHOLE = zipped(small_set())
PAGE = b"<!DOCTYPE html><title>Sign in</title>"


def flood(handler):
    """An endless body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(WHOLE)


def many_headers(handler):
    """Endless headers, as fast as possible."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"X-A: " + b"a" * 999 + b"\r\n")


SERVERS = {
    "page": ([body(PAGE)], "is not a zip archive but an HTML or XML page"),
    "page with a zip's type": ([body(PAGE, Content_Type="application/zip")], "an HTML or XML page"),
    "empty": ([body(b"")], "is empty, expected a zip archive"),
    "nothing": ([status(204)], "answered 204 No Content"),
    "absent": ([status(404)], "answered 404 Not Found"),
    "forbidden": ([status(403)], "answered 403 Forbidden"),
    "broken": ([status(500)], "answered 500 Internal Server Error (after 3 attempts)"),
    "busy": ([status(503)], "answered 503 Service Unavailable (after 3 attempts)"),
    "too many": ([status(429)], "answered 429 Too Many Requests (after 3 attempts)"),
    "says too much": ([body(WHOLE, len(WHOLE) + 5)], "(after 3 attempts)"),
    "says too little": ([body(WHOLE, len(WHOLE) - 5)], "is a zip archive without its end"),
    "ends early": ([body(WHOLE[:99], None)], "is a zip archive without its end"),
    "no end": ([flood], "is larger than 1000000 bytes"),
    "headers without end": ([many_headers], "(after 3 attempts)"),
    "drip": ([drip], "is too slow"),
    "drip of headers": ([drip_of_headers], "is too slow"),
    "drip of chunks": ([drip_of_chunks], "is too slow"),
    "in a circle": ([status(302, Location="/a")], "redirects more than 5 times"),
    "to a file": ([status(302, Location="file:///etc/passwd")], "neither http nor https"),
    "to another scheme": ([status(301, Location="ftp://127.0.0.1/a")], "neither http nor https"),
    "to a script": ([status(301, Location="javascript:alert(1)")], "a: "),
    "to nowhere": ([status(302, Location="http://[")], "a: "),
    "hangs up": ([reset], "(after 3 attempts)"),
    "resets": ([cut_by_reset], "(after 3 attempts)"),
    "no protocol": ([lambda handler: handler.wfile.write(b"\0" * 99)], "(after 3 attempts)"),
    "packed": ([body(WHOLE, Content_Encoding="br")], "answered in the encoding br"),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_refused_in_one_line_and_nothing_is_written(kind, tmp_path, monkeypatch):
    plan, message = SERVERS[kind]
    if "drip" in kind:
        monkeypatch.setattr(downloads, "GRACE_SECONDS", 0.2)
        monkeypatch.setattr(downloads, "MIN_RATE", 1e9)
    monkeypatch.setattr(downloads, "MAX_BYTES", 1_000_000)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with serve(a=plan) as (address, asked):
        with pytest.raises(DataError) as caught:
            fetch(NAMES, tmp_path / "data", f"{address}/a", progress=False)
        assert len(asked) <= 6
    assert message in str(caught.value)
    assert f"{address}/a" in str(caught.value)
    assert str(caught.value).isprintable()
    assert tree(tmp_path) == {"tmp": b""}


@pytest.mark.parametrize("first", [reset, cut_by_reset, status(502), body(WHOLE, len(WHOLE) + 1)])
def test_a_failure_then_success(first, tmp_path):
    with serve(a=[first, body(WHOLE)]) as (address, asked):
        fetched = fetch(NAMES, tmp_path, f"{address}/a", progress=False)
        assert len(asked) == 2
    assert [origin.name for origin in fetched.written] == list(NAMES)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == small_set()
