"""The page of `rewardlab label`: two GIFs side by side, on this machine alone."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Protocol

from rewardlab.datasets.comparisons import ANSWERS
from rewardlab.errors import UserError

_HOST = "127.0.0.1"
_LONGEST = 1000  # bytes of an answer
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>rewardlab label</title>
<meta name="viewport" content="width=device-width">
<style>
 body {font: 16px/1.5 system-ui, sans-serif; background: #181a1e; color: #eee; text-align: center; margin: 2rem 1rem}
 h1 {font-size: 1.6rem; margin: 0} p {color: #b4b9c2; margin: .4rem}
 progress {width: min(90vw, 26rem); accent-color: #6ea8fe}
 #pair {display: flex; justify-content: center; gap: 2rem; margin: 1.5rem 0 1rem; visibility: hidden}
 #pair.there {visibility: visible}
 img {display: block; width: min(42vw, 26rem, 52vh); border-radius: 6px; outline: 3px solid transparent;
      cursor: pointer; image-rendering: pixelated; margin-bottom: .8rem}
 img:hover {outline-color: #6ea8fe}
 button {font: inherit; color: inherit; background: #2a2e35; border: 1px solid #4a505a; border-radius: 6px;
         margin: .3rem; padding: .5rem 1.2rem; cursor: pointer}
 button:hover, button:focus-visible {background: #3a404a; border-color: #6ea8fe}
 kbd {font: inherit; color: #b4b9c2; margin-left: .5rem}
</style>
<h1 id="title">Which piece of play is better?</h1>
<p id="told">Each repeats, with a pause at its end.</p>
<progress id="progress" max="1" value="0" aria-label="answered"></progress><p id="count"></p>
<div id="asked">
<div id="pair">
<div><img id="first" alt="the left one"><button data-answer="left">the left one<kbd>←</kbd></button></div>
<div><img id="second" alt="the right one"><button data-answer="right">the right one<kbd>→</kbd></button></div>
</div>
<button data-answer="same">both are as good<kbd>=</kbd></button>
<button data-answer="skip">ask me later<kbd>s</kbd></button>
</div>
<script>
const byId = id => document.getElementById(id);
const keys = {ArrowLeft: "left", ArrowRight: "right", "=": "same", s: "skip"};
const images = {left: byId("first"), right: byId("second")};
let pair = null;
function end(title, told) {
  byId("asked").hidden = true;
  byId("title").textContent = title;
  byId("told").textContent = told;
}
async function show(request) {
  let told;
  try { told = await (await request).json(); }
  catch { return end("rewardlab label has ended", "Answers are kept. The same command goes on where you left."); }
  const done = told.pairs - told.left;
  byId("progress").max = told.pairs; byId("progress").value = done;
  byId("count").textContent = `${done} of ${told.pairs} answered`;
  if (told.pair === null) return end("All are answered", "You may close this page.");
  // Both begin together: a picture plays from its first frame once it is there.
  const got = Object.keys(images).map(async side => (await fetch(`/gif/${told.pair}/${side}`)).blob());
  const blobs = await Promise.all(got);
  Object.values(images).forEach((image, at) => {
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blobs[at]);
  });
  byId("pair").className = "there";
  pair = told.pair;
}
function answer(text) {
  if (pair === null) return;
  const body = JSON.stringify({pair, answer: text});
  pair = null;
  byId("pair").className = "";
  show(fetch("/answer", {method: "POST", headers: {"Content-Type": "application/json"}, body}));
}
document.querySelectorAll("button").forEach(each => each.onclick = () => answer(each.dataset.answer));
for (const side in images) images[side].onclick = () => answer(side);
document.onkeydown = event => { if (event.key in keys) { event.preventDefault(); answer(keys[event.key]); } };
show(fetch("/next"));
</script></html>
"""


class Asked(Protocol):
    """What is asked: see `commands/label.py`."""

    left: list[int]
    pairs: int

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
        told = {"pair": left[0] if left else None, "left": len(left), "pairs": self.asked.pairs}
        self._send(json.dumps(told).encode(), "application/json")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)
