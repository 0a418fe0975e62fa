"""The live page's server: what it hands out and to whom, slow viewers, several viewers, the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is not installed (extra live)")

import aiohttp

from posemo_ros.errors import InputError
from posemo_ros.live.moment import message_of, welcome
from posemo_ros.live.page import page_files
from posemo_ros.live.server import MOST_VIEWERS, UNDER_WAY, LiveServer, is_ours


@pytest.fixture
def server() -> Iterator[LiveServer]:
    made = LiveServer(welcome("a clip", "none"))
    yield made
    made.close()


def ask(work: Callable[[Any], Awaitable[Any]]) -> Any:
    """Do something with a client session."""

    async def run() -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(180)) as session:
            return await work(session)

    return asyncio.run(run())


def get(server: LiveServer, path: str, **headers: str) -> tuple[int, bytes, Any]:
    async def work(session: Any) -> Any:
        async with session.get(server.url.rstrip("/") + path, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    return ask(work)  # type: ignore[no-any-return]


def test_all_files_come_with_headers_that_forbid_the_rest(server: LiveServer) -> None:
    for path, (kind, content) in page_files().items():
        status, body, headers = get(server, path)
        assert (status, body) == (200, content)
        assert headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in headers["Server"]


def test_files_name_nothing_outside() -> None:
    own = {path: content for path, (_, content) in page_files().items() if path != "/plotly.js"}
    assert not [path for path, content in own.items() if b"http://" in content or b"https://" in content]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/../setup.cfg",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page_files/live.html",
        "/style.css/..%2f",
        "//",
    ],
)
def test_there_are_no_other_paths(server: LiveServer, path: str) -> None:
    assert get(server, path)[0] in (403, 404)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("evil.example", 403),
        ("localhost.evil.example:80", 403),
        ("[", 403),
    ],
)
def test_foreign_names_are_refused(server: LiveServer, host: str, status: int) -> None:
    assert get(server, "/", Host=host)[0] == status


def test_names_of_this_machine_are_ours() -> None:
    name = socket.gethostname()
    for host in (f"{name}:8600", "192.168.1.7:8600", "[::1]:8600", "LOCALHOST.", "robot:80"):
        assert is_ours(host, "robot") is True, host
    assert not is_ours("", "robot")
    assert not is_ours("robot.example", "robot")


def test_the_address_that_is_printed_is_one_that_answers() -> None:
    for host, shown in {
        "0.0.0.0": "localhost",
        "::": "[::1]",
        "::1": "[::1]",
        "127.0.0.1": "127.0.0.1",
    }.items():
        try:
            made = LiveServer({"title": "a clip"}, host)
        except InputError:
            assert ":" in host  # a machine without IPv6
            continue
        with closing(made):
            assert made.url.startswith(f"http://{shown}:")
            assert get(made, "/")[0] == 200


def test_websockets_of_other_origins_are_refused(server: LiveServer) -> None:
    async def status(session: Any, origin: str) -> int:
        try:
            async with session.ws_connect(server.url + "live", headers={"Origin": origin}):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return int(error.status)

    assert ask(lambda s: status(s, "http://evil.example")) == 403
    assert ask(lambda s: status(s, server.url.rstrip("/"))) == 101


def numbers(message: bytes) -> int:
    return int.from_bytes(message[-4:], "big")


def numbered(n: int, size: int = 0) -> bytes:
    return message_of({"n": n}, b"x" * size + n.to_bytes(4, "big"))


async def next_of(ws: Any) -> int:
    message = await ws.receive(timeout=180)
    assert message.type == aiohttp.WSMsgType.BINARY, message
    return numbers(message.data)


def test_a_slow_viewer_leaves_images_out_and_slows_nobody(server: LiveServer) -> None:
    async def work(session: Any) -> tuple[list[int], list[int]]:
        url = server.url + "live"
        async with session.ws_connect(url) as quick, session.ws_connect(url) as slow:
            for ws in (quick, slow):
                assert (await ws.receive(timeout=180)).json()["title"] == "a clip"
            seen, late = [], []
            for n in range(1, 41):
                server.show(numbered(n, 100_000))
                seen.append(await next_of(quick))
                await quick.send_str("drawn")
                if n <= UNDER_WAY:
                    late.append(await next_of(slow))
            await slow.send_str("drawn")
            late.append(await next_of(slow))
            return seen, late

    seen, late = ask(work)
    assert seen == list(range(1, 41))
    assert late == [1, 2, 40]  # what was under way, then the newest


def test_who_comes_late_sees_the_last_image(server: LiveServer) -> None:
    server.show(numbered(7))

    async def work(session: Any) -> int:
        async with session.ws_connect(server.url + "live") as ws:
            await ws.receive(timeout=180)
            return await next_of(ws)

    assert ask(work) == 7


def test_who_comes_when_all_have_gone_does_not_see_who_was_there_before(server: LiveServer) -> None:
    async def work(session: Any) -> Any:
        url = server.url + "live"
        async with session.ws_connect(url) as ws:
            await ws.receive(timeout=180)
            server.show(numbered(7))
            assert await next_of(ws) == 7
        while server.viewers:
            await asyncio.sleep(0.01)
        server.show(numbered(8))  # was drawn while the last one left
        async with session.ws_connect(url) as ws:
            await ws.receive(timeout=180)
            server.show(numbered(9))
            return await next_of(ws)

    assert ask(work) == 9


def test_viewers_are_counted_and_limited(server: LiveServer) -> None:
    async def work(session: Any) -> list[int]:
        knocks = [session.ws_connect(server.url + "live") for _ in range(MOST_VIEWERS + 2)]  # at once
        answers = await asyncio.gather(*knocks, return_exceptions=True)
        refused = [a for a in answers if isinstance(a, aiohttp.WSServerHandshakeError)]
        opened = [a for a in answers if not isinstance(a, BaseException)]
        for ws in opened:
            await ws.receive(timeout=180)
        assert server.viewers == len(opened) == MOST_VIEWERS
        for ws in opened:
            await ws.close()
        return [error.status for error in refused]

    assert server.wait_for_viewer(0.0) is False
    assert ask(work) == [503, 503]
    assert server.wait_for_viewer(0.0) is True


def test_the_end_is_told_and_frees_the_port() -> None:
    server = LiveServer(welcome("a clip", "none"))
    port = int(server.url.rstrip("/").rpartition(":")[2])

    async def work(session: Any) -> Any:
        async with session.ws_connect(server.url + "live") as ws:
            await ws.receive(timeout=180)
            server.show(numbered(3))
            await asyncio.get_running_loop().run_in_executor(None, server.close)
            return [await ws.receive(timeout=180) for _ in range(2)]

    last, end = ask(work)
    assert numbers(last.data) == 3
    assert end.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    LiveServer(welcome("again", "none"), port=port).close()


def test_a_port_that_is_taken_is_explained(server: LiveServer) -> None:
    port = int(server.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1, port {port}: .*another port"):
        LiveServer(welcome("", "none"), port=port)
