"""The page of `rewardlab label`: two GIFs side by side, on this machine alone."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Protocol

from rewardlab.datasets.comparisons import ANSWERS
from rewardlab.errors import UserError

_HOST = "127.0.0.1"
_LONGEST = 1000  # bytes of an answer
_PAGE = """<!doctype html><meta charset="utf-8"><title>rewardlab label</title>
<style>
 body {font: 16px system-ui, sans-serif; background: #181a1e; color: #eee; text-align: center; margin: 2rem}
 img {width: min(42vw, 420px); margin: 1rem; border-radius: 6px; cursor: pointer; image-rendering: pixelated}
 button {font: inherit; margin: .3rem; padding: .5rem 1.2rem}
</style>
<h1>Which is better?</h1><p id="left"></p>
<p id="pair"><img id="first" alt="the left one"><img id="second" alt="the right one"></p>
<p><button data-answer="left">left (←)</button><button data-answer="same">as good (=)</button>
<button data-answer="skip">later (s)</button><button data-answer="right">right (→)</button></p>
<script>
const byId = id => document.getElementById(id), keys = {ArrowLeft: "left", ArrowRight: "right", "=": "same", s: "skip"};
let pair = null;
async function show(reply) {
  const told = await reply.json();
  pair = told.pair;
  byId("left").textContent = pair === null ? "All are answered. You may close this page." : told.left + " left";
  byId("pair").hidden = pair === null;
  if (pair !== null) { byId("first").src = `/gif/${pair}/left`; byId("second").src = `/gif/${pair}/right`; }
}
async function answer(text) {
  if (pair === null) return;
  const asked = pair; pair = null;
  show(await fetch("/answer", {method: "POST", headers: {"Content-Type": "application/json"},
                               body: JSON.stringify({pair: asked, answer: text})}));
}
document.querySelectorAll("button").forEach(each => each.onclick = () => answer(each.dataset.answer));
byId("first").onclick = () => answer("left"); byId("second").onclick = () => answer("right");
document.onkeydown = event => { if (event.key in keys) { event.preventDefault(); answer(keys[event.key]); } };
fetch("/next").then(show);
</script>
"""


class Asked(Protocol):
    """What is asked: see `commands/label.py`."""

    left: list[int]

    def gif(self, pair: int, side: str) -> Path: ...

    def answer(self, pair: int, answer: str) -> None: ...

    def skip(self, pair: int) -> None: ...


def serve(questions: Asked, port: int) -> None:
    """Serve the page until all is answered or Ctrl-C ends it.

    Raises:
        UserError: the port is taken.
    """
    server = page_server(questions, port)
    print(f"http://{_HOST}:{server.server_port}/  (Ctrl-C ends it; answers are kept)", flush=True)
    try:
        while questions.left:
            server.handle_request()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def page_server(questions: Asked, port: int) -> HTTPServer:
    """What answers requests, one after the other.

    Raises:
        UserError: the port is taken.
    """

    class Handler(_Handler):
        asked = questions

    try:
        return HTTPServer((_HOST, port), Handler)
    except OSError as error:
        raise UserError(f"--port {port}: can't be used ({error.strerror})") from None


class _Handler(BaseHTTPRequestHandler):
    asked: Asked
    timeout = 0.5  # seconds that a request may take: browsers open connections that they do not use

    def do_GET(self) -> None:
        if not self._from_here():
            return
        if self.path == "/":
            self._send(_PAGE.encode(), "text/html; charset=utf-8")
        elif self.path == "/next":
            self._send_next()
        elif (found := self._gif()) is not None:
            self._send(found.read_bytes(), "image/gif")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        if not self._from_here():
            return
        told = self._told()
        if self.path != "/answer" or told is None:
            self.send_error(400)
            return
        pair, answer = told
        if answer == "skip":
            self.asked.skip(pair)
        else:
            self.asked.answer(pair, answer)
        self._send_next()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal stays as it is."""

    def _from_here(self) -> bool:
        """Whether the page was called by its own address; a page of another site that calls it is refused."""
        host = self.headers.get("Host", "").partition(":")[0]
        origin = self.headers.get("Origin")
        if host in (_HOST, "localhost") and (origin is None or origin == f"http://{self.headers['Host']}"):
            return True
        self.send_error(403)
        return False

    def _told(self) -> tuple[int, str] | None:
        """A pair that is still asked and the answer to it; None: the request is no answer."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST:
            return None
        try:
            told = json.loads(self.rfile.read(int(length)))
            pair, answer = told["pair"], told["answer"]
        except (ValueError, KeyError, TypeError):
            return None
        fits = type(pair) is int and pair in self.asked.left and answer in (*ANSWERS, "skip")
        return (pair, answer) if fits else None

    def _gif(self) -> Path | None:
        parts = self.path.split("/")
        if len(parts) != 4 or parts[1] != "gif" or not parts[2].isdecimal() or parts[3] not in ("left", "right"):
            return None
        found = self.asked.gif(int(parts[2]), parts[3])
        return found if found.is_file() else None

    def _send_next(self) -> None:
        left = self.asked.left
        told = {"pair": left[0] if left else None, "left": len(left)}
        self._send(json.dumps(told).encode(), "application/json")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)
