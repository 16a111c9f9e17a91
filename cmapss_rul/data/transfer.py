"""One download over http or https, bounded in size, time and patience."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import httpx
from tqdm import tqdm

from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import DataError
from cmapss_rul.version import __version__

MOST_BYTES = 1 << 30
ATTEMPTS = 3
FIRST_PAUSE = 1.0  # seconds before the second attempt; doubled before each later one
LONGEST_SECONDS = 3600.0
PATIENCE = 60.0  # seconds for the start; from then on the mean rate must be SLOWEST
SLOWEST = 4096.0  # bytes a second
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MOST_REDIRECTS = 5
_PASSING = (408, 425, 429)  # with 5xx: answers that may change in a moment


class _Passing(Exception):
    """A failure that another attempt may not have."""


class _Watch:
    """Cuts the connection to a server that is too slow.

    httpx bounds the time of each read, not their sum: a byte every two seconds, of a header
    say, would keep it busy for days.
    """

    def __init__(self) -> None:
        self.received = 0  # bytes of the body
        self.expired = ""
        self._socket: socket.socket | None = None
        self._start = time.monotonic()
        self._done = threading.Event()

    def trace(self, _event: str, info: Mapping[str, Any]) -> None:
        """Remember the newest connection; httpx calls this at each step."""
        look_up = getattr(info.get("return_value"), "get_extra_info", None)
        if look_up is not None:
            self._socket = look_up("socket") or self._socket

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
            if seconds > LONGEST_SECONDS:
                self.expired = f"took longer than {LONGEST_SECONDS:.0f} s"
            elif seconds > PATIENCE + self.received / SLOWEST:
                self.expired = f"is too slow: {self.received} bytes in {seconds:.0f} s"
            if self.expired and self._socket is not None:
                with contextlib.suppress(OSError):  # of the plain socket, TLS or not
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def download(url: str, target: BinaryIO, *, progress: bool = True) -> None:
    """Write what a URL serves into an open file.

    Args:
        url: http or https; up to five redirects to either are followed.
        target: open for writing; can seek. Holds an unknown part of the body after an error.
        progress: draw a progress bar, if standard error is a terminal.

    Raises:
        DataError: what the server answered, in one line without the URL.
    """
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
        target.seek(0)
        target.truncate()
        try:
            _download_once(url, target, progress=progress)
        except _Passing as error:
            reason = str(error)
        else:
            target.flush()
            return
    raise DataError(f"{reason} (after {ATTEMPTS} attempts)")


def _download_once(url: str, target: BinaryIO, *, progress: bool) -> None:
    watch = _Watch()
    try:
        with (
            watch.running(),
            httpx.Client(
                timeout=_TIMEOUT,
                follow_redirects=True,
                max_redirects=_MOST_REDIRECTS,
                headers={"Accept-Encoding": "identity", "User-Agent": f"cmapss_rul/{__version__}"},
            ) as client,
            client.stream("GET", url, extensions={"trace": watch.trace}) as response,
        ):
            _refuse_status(response)
            _copy(response, target, watch, progress=progress)
    except httpx.TooManyRedirects as error:
        raise DataError(f"redirects more than {_MOST_REDIRECTS} times") from error
    except httpx.UnsupportedProtocol as error:
        raise DataError("leads to an address that is neither http nor https") from error
    except httpx.ConnectTimeout as error:  # not tried again: without a network each try is slow
        raise DataError("no answer within 10 s") from error
    except httpx.TransportError as error:
        if watch.expired:
            raise DataError(watch.expired) from error
        raise _Passing(one_line(error) or type(error).__name__) from error
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
        raise DataError(one_line(error) or type(error).__name__) from error


def _refuse_status(response: httpx.Response) -> None:
    code = response.status_code
    if code == httpx.codes.OK:
        return
    text = f"answered {code} {printable(response.reason_phrase)}".rstrip()
    if code in _PASSING or response.is_server_error:
        raise _Passing(text)
    raise DataError(text)


def _copy(response: httpx.Response, target: BinaryIO, watch: _Watch, *, progress: bool) -> None:
    if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
        # not asked for; unpacking it would take as much memory as the server likes
        raise DataError(f"answered in the encoding {printable(encoding)}, expected plain bytes")
    promised = response.headers.get("Content-Length", "")
    length = int(promised) if promised.isdecimal() else None
    too_large = f"is larger than {MOST_BYTES} bytes, expected an archive of about 12 MB"
    if length is not None and length > MOST_BYTES:
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
            watch.received += target.write(chunk)
            bar.update(len(chunk))
            if watch.received > MOST_BYTES:
                raise DataError(too_large)
    if watch.expired:
        raise DataError(watch.expired)
    if length is not None and response.num_bytes_downloaded != length:
        raise _Passing(f"sent {response.num_bytes_downloaded} of {length} bytes")
