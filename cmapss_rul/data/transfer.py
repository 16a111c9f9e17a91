"""One download over http or https, bounded in size, time and patience."""

import re
import time
from typing import BinaryIO

import httpx
from tqdm import tqdm

from cmapss_rul import __version__
from cmapss_rul.errors import DataError
from cmapss_rul.text import one_line, printable

MOST_BYTES = 1 << 30
ATTEMPTS = 3
FIRST_PAUSE = 1.0  # seconds before the second attempt; doubled before each later one
LONGEST_SECONDS = 3600.0
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MOST_REDIRECTS = 5
_PASSING = (408, 425, 429)  # with 5xx: answers that may change in a moment


class _Passing(Exception):
    """A failure that another attempt may not have."""


def shown_url(url: str) -> str:
    """Show a URL without the password or token that it may carry.

    >>> shown_url("https://me:secret@example.org/a.zip")
    'https://***@example.org/a.zip'
    """
    return printable(re.sub(r"(?<=//)[^/@?#]*@", "***@", url))


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
    try:
        with (
            httpx.Client(
                timeout=_TIMEOUT,
                follow_redirects=True,
                max_redirects=_MOST_REDIRECTS,
                headers={"Accept-Encoding": "identity", "User-Agent": f"cmapss_rul/{__version__}"},
            ) as client,
            client.stream("GET", url) as response,
        ):
            _refuse_status(response)
            _copy(response, target, progress=progress)
    except httpx.TooManyRedirects as error:
        raise DataError(f"redirects more than {_MOST_REDIRECTS} times") from error
    except httpx.UnsupportedProtocol as error:
        raise DataError("leads to an address that is neither http nor https") from error
    except httpx.ConnectTimeout as error:  # not tried again: without a network each try is slow
        raise DataError("no answer within 10 s") from error
    except httpx.TransportError as error:
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


def _copy(response: httpx.Response, target: BinaryIO, *, progress: bool) -> None:
    promised = response.headers.get("Content-Length", "")
    length = int(promised) if promised.isdecimal() else None
    written = 0
    too_large = f"is larger than {MOST_BYTES} bytes, expected an archive of about 12 MB"
    if length is not None and length > MOST_BYTES:
        raise DataError(too_large)
    deadline = time.monotonic() + LONGEST_SECONDS
    with tqdm(
        total=length,
        unit="B",
        unit_scale=True,
        desc=response.url.host,
        leave=False,
        disable=None if progress else True,  # None: only on a terminal
    ) as bar:
        for chunk in response.iter_bytes(1 << 16):
            written += target.write(chunk)
            bar.update(len(chunk))
            if written > MOST_BYTES:
                raise DataError(too_large)
            if time.monotonic() > deadline:
                raise DataError(f"took longer than {LONGEST_SECONDS:.0f} s")
    if length is not None and response.num_bytes_downloaded != length:
        raise _Passing(f"sent {response.num_bytes_downloaded} of {length} bytes")
