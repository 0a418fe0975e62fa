"""A network camera: RTSP 1.0 (RFC 2326), RTP over the same TCP connection, in it MPEG-TS (RFC 2250).

It plays a film over and over at its own pace and hangs up after each time, as a camera that is switched off.
"""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from pathlib import Path

PACKETS = 7  # of MPEG-TS in one of RTP
CLOCK_HZ = 90_000
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"


class RtspCamera(socketserver.ThreadingTCPServer):
    """Listens on a free port of this machine.

    Args:
        film: An MPEG-TS file.
        seconds: How long playing it takes.

    Attributes:
        played: How often somebody was shown the film.
    """

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, film: Path, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.data, self.seconds, self.played = film.read_bytes(), seconds, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """What to open; with a user and a password, as cameras have them."""
        return f"rtsp://user:secret@127.0.0.1:{self.server_address[1]}/stream"


class _Session(socketserver.StreamRequestHandler):
    server: RtspCamera

    def handle(self) -> None:
        while request := self._request():
            verb, url, number = request
            if verb == "DESCRIBE":
                self._answer(number, f"Content-Base: {url}/\r\nContent-Type: application/sdp", SDP)
            elif verb == "SETUP":
                self._answer(number, "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1")
            elif verb == "PLAY":
                self._answer(number, "Session: 1\r\nRange: npt=0-")
                self._play()
                return  # hangs up
            else:
                self._answer(number, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")

    def _request(self) -> tuple[str, str, str] | None:
        lines = []
        while line := self.rfile.readline().decode().strip():
            lines.append(line)
        if not lines:
            return None
        verb, url, _ = lines[0].split(" ")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return verb, url, headers["CSeq"]

    def _answer(self, number: str, headers: str, body: str = "") -> None:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers}\r\n{length}\r\n{body}".encode())

    def _play(self) -> None:
        self.server.played += 1
        size = 188 * PACKETS
        parts = [self.server.data[i : i + size] for i in range(0, len(self.server.data), size)]
        for number, part in enumerate(parts):
            at = number / len(parts) * self.server.seconds
            rtp = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, int(at * CLOCK_HZ), 7) + part
            try:
                self.wfile.write(b"$\0" + struct.pack(">H", len(rtp)) + rtp)
            except OSError:
                return
            time.sleep(self.server.seconds / len(parts))
