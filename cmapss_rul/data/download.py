"""HTTP downloads, limited in size and time, and a reachability check of servers.

Adds to httpx limits of the total size and time, and retries after transient failures only.
"""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from tqdm import tqdm

from cmapss_rul.system.errors import DataError, one_line
from cmapss_rul.version import __version__

MAX_BYTES = 1 << 30
ATTEMPTS = 3
FIRST_PAUSE = 1.0  # seconds before the second attempt; doubled before each later one
MAX_SECONDS = 3600.0
GRACE_SECONDS = 60.0  # afterwards, the mean rate must be at least MIN_RATE
MIN_RATE = 4096.0  # bytes a second
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MAX_REDIRECTS = 5
_TRANSIENT_STATUS = (408, 425, 429)  # besides 5xx


class _TransientError(Exception):
    """A failure that may not recur on retry."""


class _Watchdog:
    """Closes the connection to a server that is too slow.

    httpx limits the time of each read, not the total: a server that sends one byte every two
    seconds, even of a header, would occupy it for days.
    """

    def __init__(self) -> None:
        self.received = 0  # bytes of the body
        self.expired = ""
        self._socket: socket.socket | None = None
        self._start = time.monotonic()
        self._done = threading.Event()

    def trace(self, _event: str, info: Mapping[str, Any]) -> None:
        """Remember the current connection; an httpx trace callback."""
        extra_info = getattr(info.get("return_value"), "get_extra_info", None)
        if extra_info is not None:
            self._socket = extra_info("socket") or self._socket

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            seconds = time.monotonic() - self._start
            if seconds > MAX_SECONDS:
                self.expired = f"took longer than {MAX_SECONDS:.0f} s"
            elif seconds > GRACE_SECONDS + self.received / MIN_RATE:
                self.expired = f"is too slow: {self.received} bytes in {seconds:.0f} s"
            if self.expired and self._socket is not None:
                with contextlib.suppress(OSError):  # works under TLS, too
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def download(url: str, target: BinaryIO, *, progress: bool = True) -> None:
    """Download a URL into an open file.

    Args:
        url: http or https; up to five redirects to either are followed.
        target: open for writing, seekable. After an error its content is undefined.
        progress: show a progress bar, if standard error is a terminal.

    Raises:
        DataError: the reason, in one line without the URL.
    """
    for attempt in range(1, ATTEMPTS + 1):
        target.seek(0)
        target.truncate()  # discards the content of a failed attempt
        try:
            _download_once(url, target, progress=progress)
            target.flush()
            return
        except _TransientError as error:
            _pause(attempt, error)


def _pause(attempt: int, error: _TransientError) -> None:
    """Back off exponentially after a failed attempt; give up after the last one."""
    if attempt == ATTEMPTS:
        raise DataError(f"{error} (after {ATTEMPTS} attempts)") from error
    time.sleep(FIRST_PAUSE * 2 ** (attempt - 1))


def _download_once(url: str, target: BinaryIO, *, progress: bool) -> None:
    watchdog = _Watchdog()
    try:
        with (
            _failures(),
            watchdog.running(),
            _client() as client,
            client.stream("GET", url, extensions={"trace": watchdog.trace}) as response,
        ):
            _check_head(response)
            _copy(response, target, watchdog, progress=progress)
    except _TransientError as error:
        if isinstance(error.__cause__, httpx.ConnectTimeout):  # no retry, which is slow offline
            raise DataError("no answer within 10 s") from error
        if watchdog.expired:
            raise DataError(watchdog.expired) from error
        raise


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Turn exceptions of httpx into `_TransientError` if they are transient, else `DataError`."""
    try:
        yield
    except httpx.TooManyRedirects as error:
        raise DataError(f"redirects more than {_MAX_REDIRECTS} times") from error
    except httpx.UnsupportedProtocol as error:
        raise DataError("leads to an address that is neither http nor https") from error
    except httpx.TransportError as error:
        raise _TransientError(one_line(error) or type(error).__name__) from error
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
        raise DataError(one_line(error) or type(error).__name__) from error


def _client() -> httpx.Client:
    return httpx.Client(
        timeout=_TIMEOUT,
        follow_redirects=True,
        max_redirects=_MAX_REDIRECTS,
        headers={"Accept-Encoding": "identity", "User-Agent": f"cmapss_rul/{__version__}"},
    )


def _length(response: httpx.Response) -> int | None:
    stated = response.headers.get("Content-Length", "")
    return int(stated) if stated.isdecimal() else None


def _check_head(response: httpx.Response) -> None:
    code = response.status_code
    if code != httpx.codes.OK:
        transient = code in _TRANSIENT_STATUS or response.is_server_error
        kind = _TransientError if transient else DataError
        raise kind(f"answered {code} {response.reason_phrase}".rstrip())
    if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
        # not requested, and a small body could decompress to any size in memory
        raise DataError(f"answered in the encoding {encoding}, expected plain bytes")


def _copy(
    response: httpx.Response, target: BinaryIO, watchdog: _Watchdog, *, progress: bool
) -> None:
    length = _length(response)
    too_large = f"is larger than {MAX_BYTES} bytes, expected an archive of about 12 MB"
    if length is not None and length > MAX_BYTES:  # before any byte of it is downloaded
        raise DataError(too_large)
    with tqdm(
        total=length,
        unit="B",
        unit_scale=True,
        desc=response.url.host,
        leave=False,
        disable=None if progress else True,  # None: only on a terminal
    ) as bar:
        for chunk in response.iter_raw():
            watchdog.received += target.write(chunk)
            bar.update(len(chunk))
            if watchdog.received > MAX_BYTES:  # the stated length may be missing or wrong
                raise DataError(too_large)
    if watchdog.expired:  # without a stated length, a closed connection looks complete
        raise DataError(watchdog.expired)


def stream(url: str, *, progress: bool = True) -> Iterator[bytes]:
    """Yield the response body of a URL piece by piece, for bodies too large for the disk.

    Resumes after a transient failure if the server supports range requests. Neither size nor
    total time is limited: the caller stops reading when it has enough.

    Raises:
        DataError: the reason, in one line without the URL.
    """
    received, attempt = 0, 0
    with tqdm(unit="B", unit_scale=True, leave=False, disable=None if progress else True) as bar:
        while True:
            resume = {"Range": f"bytes={received}-"} if received else {}
            try:
                with (
                    _failures(),
                    _client() as client,
                    client.stream("GET", url, headers=resume) as got,
                ):
                    if received and got.status_code != httpx.codes.PARTIAL_CONTENT:
                        raise DataError("was cut off, and the server cannot resume a download")
                    if not received:
                        _check_head(got)
                        bar.total, bar.desc = _length(got), got.url.host
                    for piece in got.iter_raw():
                        received, attempt = received + len(piece), 0
                        bar.update(len(piece))
                        yield piece
                return
            except _TransientError as error:
                attempt += 1
                _pause(attempt, error)


CONNECT_SECONDS = 2.0
"""Time limit of the reachability check. A *guess*: a usable server answers sooner."""


def any_reachable(urls: Sequence[str], seconds: float = CONNECT_SECONDS) -> bool:
    """Whether one of the servers, or the proxy in front of it, accepts a connection in time."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    # threads, because name resolution has no time-out; daemons, so that none delays the exit
    for url in urls:
        threading.Thread(target=lambda url=url: answers.put(_connects(url)), daemon=True).start()
    deadline = time.monotonic() + seconds  # shared, since they connect concurrently
    for _ in urls:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            return False
    return False


def _connects(url: str) -> bool:
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    # behind a proxy a direct connection may fail although downloads work
    if proxy and not proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError):  # ValueError: an invalid port
        return False
    return True
