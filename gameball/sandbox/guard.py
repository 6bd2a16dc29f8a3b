"""What keeps pages of other sites away from the control API and the console."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from gameball.sandbox import json_codec
from gameball.sandbox.hosts import names_this_machine

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer, and none that lets another origin in."""
SIGN = "X-Sandbox-Control"
"""A header that changes need: no form can send it, and no script of another origin without leave."""


def guarded(handler: Handler, *, host: str, changes: bool = False, page: bool = False) -> Handler:
    """The handler for requests that come from this machine's own pages, or from no page at all.

    Args:
        handler: What answers then.
        host: The name or address that the sandbox listens on.
        changes: Whether it changes something.
        page: Whether it is a page, which may be gone to from anywhere.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        sentence = _objection(request, host=host, changes=changes, page=page)
        if sentence is not None:
            return error(403, sentence)
        return await handler(request)

    return handle


def error(status: int, sentence: str) -> web.Response:
    """The refusal as JSON."""
    return web.Response(
        status=status, body=json_codec.write({"error": sentence}), content_type="application/json", headers=HEADERS
    )


def _objection(request: web.Request, *, host: str, changes: bool, page: bool) -> str | None:
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not names_this_machine(hosts[0], host):
        return "the header Host must name this machine, like localhost or 127.0.0.1"
    came_from = request.headers.get("Sec-Fetch-Site", "none")
    gone_to = page and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if came_from not in {"same-origin", "none"} and not gone_to:
        return f"the header Sec-Fetch-Site must be same-origin or none, not {came_from}: pages of other sites stay out"
    if changes and request.headers.get(SIGN) != "1":
        return f"the header {SIGN}: 1 is required for what changes something"
    return None
