"""Check whether a server accepts a connection, before anything is asked of it."""

import queue
import socket
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SECONDS = 2.0
"""Time limit of all attempts together. A guess: a server that can be used answers sooner."""


def any_reachable(urls: Sequence[str], seconds: float = SECONDS) -> bool:
    """Whether one of the servers, or the proxy in front of it, accepts a connection in time."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    # threads, because looking a name up has no time-out; daemons, so that none delays the exit
    for url in urls:
        threading.Thread(target=lambda url=url: answers.put(_connects(url)), daemon=True).start()
    deadline = time.monotonic() + seconds  # one for all, since they try at the same time
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
        socket.create_connection((parts.hostname, port), timeout=SECONDS).close()
    except (OSError, ValueError):  # ValueError: a port that is none
        return False
    return True
