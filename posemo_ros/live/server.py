"""The web server of the live page, in a thread of its own.

Every viewer gets the newest message that there is when it is ready for one, so that a slow one leaves
images out and slows nobody. A viewer says when it has drawn a message; two may be under way.

The server hands out what is in its memory and nothing else: there are no paths into the file system. It
answers requests whose Host is an address, this machine's name or localhost, and no others, or a web
site could read the camera by pointing a name of its own here (DNS rebinding). WebSockets are refused to
pages of other origins for the same reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import InputError, MissingExtraError
from .page import page_files

LOOPBACK = "127.0.0.1"
UNDER_WAY = 2
MOST_VIEWERS = 32
STUCK_S = 20.0
CLOSE_S = 3.0
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "posemo",
}


class _Viewer:
    """What one browser has been sent; lives in the server's loop."""

    def __init__(self) -> None:
        self.newest: bytes | None = None
        self.wake = asyncio.Event()
        self.under_way = 0

    def put(self, message: bytes) -> None:
        self.newest = message
        self.wake.set()

    def has_drawn(self) -> None:
        self.under_way = max(0, self.under_way - 1)
        self.wake.set()

    def take(self) -> bytes | None:
        """The message to send now, if there is one and the viewer is ready for it."""
        self.wake.clear()
        if self.newest is None or self.under_way >= UNDER_WAY:
            return None
        message, self.newest = self.newest, None
        self.under_way += 1
        return message


class LiveServer:
    """Serves the page from construction to ``close``.

    Args:
        welcome: What a page gets first, see ``moment.welcome``.
        host: Address or name to listen on; only the loopback address keeps others out.
        port: Port; 0: any free one.

    Attributes:
        url: Where the page is.
        closed: Whether it has ended.

    Raises:
        InputError: The address cannot be listened on.
        MissingExtraError: aiohttp is not installed.
    """

    def __init__(self, welcome: Mapping[str, Any], host: str = LOOPBACK, port: int = 0) -> None:
        try:
            from aiohttp import web
        except ImportError as error:
            raise MissingExtraError("aiohttp", "live", "the live page") from error
        self._web = web
        self.closed = False
        self._welcome = json.dumps(welcome, allow_nan=False)
        self._host = host
        self._viewers: set[_Viewer] = set()
        self._last: bytes | None = None
        self._somebody = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="posemo live", daemon=True)
        self._thread.start()
        try:
            self._runner, bound = self._call(self._listen(port))
        except OSError as error:
            self._end_loop()
            raise InputError(
                f"cannot listen on {host}, port {port}: {error.strerror or error}; "
                "another port (0 takes any free one) or address may be free"
            ) from error
        shown = {"0.0.0.0": "localhost", "": "localhost", "::": "::1"}.get(host, host)
        self.url = f"http://{f'[{shown}]' if ':' in shown else shown}:{bound}/"

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._viewers)

    def wait_for_viewer(self, timeout_s: float) -> bool:
        """Whether somebody looks by then."""
        return self._somebody.wait(timeout_s)

    def show(self, message: bytes) -> None:
        """Hand a message (``moment.message_of``) to all viewers; never blocks. From any thread."""
        self._loop.call_soon_threadsafe(self._spread, message)

    def close(self) -> None:
        """Send what is still due, say good-bye and end."""
        self.closed = True
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            self._call(asyncio.wait_for(self._leave(), CLOSE_S))
        self._end_loop()

    def _call(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _spread(self, message: bytes) -> None:
        self._last = message if self._viewers or not self._somebody.is_set() else None
        for viewer in self._viewers:
            viewer.put(message)

    # In the loop -------------------------------------------------------------------------------

    async def _listen(self, port: int) -> tuple[Any, int]:
        @self._web.middleware
        async def guard(request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
            return await self._guard(request, handler)

        app = self._web.Application(middlewares=[guard])
        for path, (kind, content) in page_files().items():
            app.router.add_get(path, self._giver(kind, content))
        app.router.add_get("/live", self._live)
        runner = self._web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = self._web.TCPSite(runner, self._host or None, port)
        try:
            await site.start()
        except BaseException:
            await runner.cleanup()
            raise
        return runner, int(runner.addresses[0][1])

    async def _guard(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Refuse foreign names; put the headers on whatever is answered."""
        if not is_ours(request.headers.get("Host", ""), self._host):
            answer = self._web.Response(status=403, text="this server does not answer to that name\n")
        else:
            try:
                answer = await handler(request)
            except self._web.HTTPException as error:
                answer = error
        if not answer.prepared:
            answer.headers.update(HEADERS)
        if isinstance(answer, self._web.HTTPException):
            raise answer
        return answer

    def _giver(self, kind: str, content: bytes) -> Callable[[Any], Awaitable[Any]]:
        async def give(request: Any) -> Any:
            return self._web.Response(body=content, content_type=kind, charset="utf-8")

        return give

    async def _live(self, request: Any) -> Any:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
            raise self._web.HTTPForbidden(text="pages of other origins may not look\n")
        if len(self._viewers) >= MOST_VIEWERS:
            raise self._web.HTTPServiceUnavailable(text=f"{MOST_VIEWERS} look already\n")
        ws = self._web.WebSocketResponse(heartbeat=STUCK_S, max_msg_size=1024, timeout=1.0)
        viewer = _Viewer()
        if self._last is not None:
            viewer.put(self._last)
        self._viewers.add(viewer)  # before anything is waited for: others knock meanwhile
        try:
            await ws.prepare(request)
            await ws.send_str(self._welcome)
            await self._serve(ws, viewer)
        finally:
            self._viewers.discard(viewer)
            if not self._viewers:
                self._last = None  # who comes in an hour must not see who was there now
        return ws

    async def _serve(self, ws: Any, viewer: _Viewer) -> None:
        self._somebody.set()
        sender = asyncio.ensure_future(self._send(ws, viewer))
        try:
            async for message in ws:
                if message.type == self._web.WSMsgType.TEXT:
                    viewer.has_drawn()
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send(self, ws: Any, viewer: _Viewer) -> None:
        while not ws.closed:
            await viewer.wake.wait()
            message = viewer.take()
            if message is None:
                continue
            try:
                await asyncio.wait_for(ws.send_bytes(message), STUCK_S)
            except (TimeoutError, asyncio.TimeoutError, ConnectionError):
                await ws.close()
                return

    async def _leave(self) -> None:
        await asyncio.sleep(0.1)  # what was shown last goes out first
        await self._runner.cleanup()


def is_ours(host: str, listening: str) -> bool:
    """Whether a request's Host may be this server: an address, or a name of this machine."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    machine = socket.gethostname().lower()
    return name in {"localhost", listening.lower(), machine, f"{machine.partition('.')[0]}.local"}
