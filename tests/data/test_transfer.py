import io

import httpx
import pytest

from cmapss_rul.data import transfer
from cmapss_rul.data.transfer import download, shown_url
from cmapss_rul.errors import DataError
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
def test_a_passing_failure_is_tried_again(first):
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
def test_failures_in_one_line(answer, times, message):
    with serve(a=[answer]) as (address, asked):
        with pytest.raises(DataError, match=message) as caught:
            get(f"{address}/a")
        assert len(asked) == times
        assert str(caught.value).isprintable()


def test_a_body_without_end_is_bounded(monkeypatch):
    monkeypatch.setattr(transfer, "MOST_BYTES", 100_000)
    message = "is larger than 100000 bytes"
    with serve(a=[body(CONTENT, None)]) as (address, _), pytest.raises(DataError, match=message):
        get(f"{address}/a")


def test_a_trickle_ends(monkeypatch):
    monkeypatch.setattr(transfer, "LONGEST_SECONDS", -1.0)
    with serve(a=[body(CONTENT)]) as (address, _), pytest.raises(DataError, match="took longer"):
        get(f"{address}/a")


def test_nobody_there():
    with pytest.raises(DataError, match=r"refused.*\(after 3 attempts\)"):
        get("http://127.0.0.1:9/a")
    with pytest.raises(DataError):
        get("http://:not a port/")


def test_progress_is_for_terminals(capfd):
    with serve(a=[body(CONTENT)]) as (address, _):
        download(f"{address}/a", io.BytesIO(), progress=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("https://user:pass@example.org/a@b", "https://***@example.org/a@b"),
        ("data/raw", "data/raw"),
        ("a\x1b[31m", r"a\x1b[31m"),
    ],
)
def test_shown_url(url, shown):
    assert shown_url(url) == shown


def test_no_answer_at_all_is_not_tried_again(monkeypatch):
    tries = []

    def stream(*_args, **_options):
        tries.append(1)
        raise httpx.ConnectTimeout("")

    monkeypatch.setattr(httpx.Client, "stream", stream)
    with pytest.raises(DataError, match="no answer within 10 s"):
        get("http://127.0.0.1/a")
    assert len(tries) == 1
