"""A local web server with scripted, also faulty, responses."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Sends the next scripted response of each path; the last one is repeated."""

    plan: dict[str, list[Answer]]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        answers = self.plan.get(self.path, [status(404)])
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_args) -> None:
        pass


def body(content: bytes, length: int | None = -1, **headers: str) -> Answer:
    """Response 200 with the content; `length` None omits Content-Length, -1 is the true one."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(len(content) if length == -1 else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def status(code: int, **headers: str) -> Answer:
    """Response with a status and no content."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


def reset(handler: Handler) -> None:
    """Close the connection without a response."""
    handler.close_connection = True


@contextlib.contextmanager
def serve(**plan: list[Answer]) -> Iterator[tuple[str, list[str]]]:
    """Serve the scripted responses; yields the address and the list of requested paths."""
    asked: list[str] = []
    paths = {f"/{name}": answers for name, answers in plan.items()}
    kind = type("Planned", (Handler,), {"plan": paths, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
