"""What a page of another site can do to a sandbox that runs beside it: neither read nor change anything."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from playwright.sync_api import BrowserContext, Page

from gameball.sandbox import Sandbox, faults

ATTEMPTS = """
async () => {
  const sandbox = "%s";
  const outcomes = {};
  const attempt = async (name, work) => {
    try { outcomes[name] = await work(); } catch (error) { outcomes[name] = "blocked"; }
  };
  const signed = { "X-Sandbox-Control": "1" };
  const call = (path, options) => () => fetch(sandbox + path, options).then((answer) => answer.text());
  const loaded = (element) => () => new Promise((resolve) => {
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("blocked");
    document.body.append(element);
  });
  await attempt("read", call("api/state"));
  await attempt("read without leave", call("api/state", { mode: "no-cors" }));
  await attempt("read the page", call("players"));
  await attempt("reset", call("api/reset", { method: "POST", headers: signed }));
  await attempt("reset without the header", call("api/reset", { method: "POST", mode: "no-cors" }));
  await attempt("advance", call("api/clock", { method: "POST", mode: "no-cors", body: '{"advance": 600}' }));
  await attempt("change the programme", call("api/programme", { method: "PUT", headers: signed, body: "{}" }));
  await attempt("disarm", call("api/faults", { method: "DELETE", headers: signed }));
  await attempt("as a script", loaded(Object.assign(document.createElement("script"), { src: sandbox + "api/state" })));
  await attempt("as an image", loaded(Object.assign(new Image(), { src: sandbox + "icon.svg" })));
  await attempt("listen", () => new Promise((resolve) => {
    const events = new EventSource(sandbox + "api/events");
    events.onmessage = (event) => resolve(event.data);
    events.onerror = () => { events.close(); resolve("blocked"); };
  }));
  return outcomes;
}
"""
FORM = """<!doctype html><title>Elsewhere</title><body>
<form method="post" action="%sapi/reset" enctype="text/plain" target="frame"><input name="a" value="b"></form>
<iframe name="frame" src="%s"></iframe>"""


@contextmanager
def another_site(body: str) -> Iterator[str]:
    """A site on another port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def busy(sandbox: Sandbox) -> Any:
    """What another site could change, as a value to compare."""
    return (
        sandbox.program,
        sandbox.clock.ahead,
        [(armed.operation, armed.seen) for armed in sandbox.faults.armed],
    )


def outcomes(page: Page, sandbox: Sandbox) -> dict[str, str]:
    found: dict[str, str] = page.evaluate(ATTEMPTS % sandbox.console_url)
    return found


def test_a_page_on_another_port_can_neither_read_nor_change_anything(context: BrowserContext, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Reset(), nth=5)
    before = busy(sandbox)
    page = context.new_page()
    with another_site("<!doctype html><title>Elsewhere</title><body>") as site:
        page.goto(site)
        found = outcomes(page, sandbox)
    # An opaque answer is an empty text to the page.
    assert {name: text for name, text in found.items() if text not in {"blocked", ""}} == {}
    assert len(found) == 11
    assert busy(sandbox) == before


def test_a_form_and_a_frame_of_another_site_get_nowhere(context: BrowserContext, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Reset(), nth=5)
    before = busy(sandbox)
    page = context.new_page()
    with another_site(FORM % (sandbox.console_url, sandbox.console_url)) as site:
        page.goto(site)
        assert [
            frame.url for frame in page.frames if sandbox.console_url in frame.url and "Overview" in frame.content()
        ] == []
        with page.expect_response(lambda response: response.url.endswith("/api/reset")) as answered:
            page.evaluate("document.forms[0].submit()")
        assert answered.value.status == 403
    assert busy(sandbox) == before


def test_a_rebound_name_is_shown_nothing(context: BrowserContext, sandbox: Sandbox) -> None:
    before = busy(sandbox)
    page = context.new_page()
    for path in ("", "players", "api/state"):
        answer = page.goto(f"http://rebound.example:{sandbox.port}/_sandbox/{path}")
        assert answer is not None
        assert answer.status == 403
        assert list(json.loads(answer.text())) == ["error"]
    status = page.evaluate(
        "fetch('/_sandbox/api/reset', {method: 'POST', headers: {'X-Sandbox-Control': '1'}}).then((one) => one.status)"
    )
    assert status == 403
    assert busy(sandbox) == before
