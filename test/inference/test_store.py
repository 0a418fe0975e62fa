"""The model store: manifests merged, files checked, downloads from a server on this machine."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from posemo_ros.errors import ModelError
from posemo_ros.inference import download as download_module
from posemo_ros.inference.checksum import ChecksumCache, write_atomically
from posemo_ros.inference.download import download
from posemo_ros.inference.store import ModelStore

CONTENT = bytes(range(256)) * 4000  # about 1 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("name", ["clip-vit-b32", "hrnet-w32"])
def test_a_model_that_has_to_be_exported_first_is_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=rf"no model '{name}'.*export it .*a manifest of your own"):
        ModelStore(cache=tmp_path).spec(name)


def test_any_other_name_is_just_not_known(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'clip' in the manifests \(known: .*\)$"):
        ModelStore(cache=tmp_path).spec("clip")


class Server(ThreadingHTTPServer):
    """Serves ``files``; what it does wrong is set by the tests, what it was asked is kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/model.onnx": CONTENT}
        self.etag = '"v1"'
        self.ranges = True  # supports Range
        self.breaks: list[int] = []  # bytes sent before the connection breaks, per request
        self.status = 200
        self.requests: list[str | None] = []  # Range header of each request

    def url(self, name: str = "model.onnx") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        content = self.server.files.get(self.path)
        if content is None or self.server.status != 200:
            self.send_error(404 if content is None else self.server.status)
            return
        start = 0
        fresh = self.headers.get("If-Range") == self.server.etag
        if wanted and self.server.ranges and fresh:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()
        stop = start + self.server.breaks.pop(0) if self.server.breaks else len(content)
        self.wfile.write(content[start:stop])

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between tries; no manifests of the person who runs the tests."""
    monkeypatch.setattr(download_module.time, "sleep", lambda seconds: None)
    monkeypatch.delenv("POSEMO_MODELS", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def _entry(**keys: object) -> dict[str, object]:
    lift = {"frames": 27}
    return {"lifter": lift, "licence": "Apache-2.0", "source": "test", **keys}


def _store(tmp_path: Path, **models: dict[str, object]) -> ModelStore:
    manifest = tmp_path / "my" / "models.yaml"
    manifest.parent.mkdir(exist_ok=True)
    manifest.write_text(yaml.safe_dump({"models": models}))
    return ModelStore([manifest], cache=tmp_path / "cache")


def _leftovers(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "models").iterdir())


class TestManifests:
    def test_package_manifest_is_always_there(self, tmp_path: Path) -> None:
        assert "rtmdet-nano-person" in ModelStore(cache=tmp_path).specs()

    def test_later_replaces_earlier(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")]
        for path in files:
            entries = {"shared": _entry(file=path.stem), path.stem: _entry(file="x")}
            path.write_text(yaml.safe_dump({"models": entries}))
        monkeypatch.setenv("POSEMO_MODELS", f"{files[0]}:{files[1]}")
        store = ModelStore(files[2:], cache=tmp_path)
        assert {"a", "b", "c", "rtmdet-nano-person"} <= set(store.specs())
        assert store.spec("shared").file == "c"
        assert ModelStore(cache=tmp_path).spec("shared").file == "b"

    def test_unknown_name_lists_the_known(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no model 'hrnet'.*rtmdet-nano-person"):
            ModelStore(cache=tmp_path).spec("hrnet")

    def test_missing_manifest(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="cannot read the model manifest .*none.yaml"):
            ModelStore([tmp_path / "none.yaml"], cache=tmp_path)


class TestLocalFiles:
    def test_relative_to_the_manifest(self, tmp_path: Path) -> None:
        store = _store(tmp_path, lifter=_entry(file="../weights/lifter.onnx", sha256=DIGEST))
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "lifter.onnx").write_bytes(CONTENT)
        assert store.path("lifter").read_bytes() == CONTENT

    def test_wrong_hash(self, tmp_path: Path) -> None:
        store = _store(tmp_path, lifter=_entry(file="lifter.onnx", sha256=DIGEST))
        (tmp_path / "my" / "lifter.onnx").write_bytes(b"something else")
        other = hashlib.sha256(b"something else").hexdigest()
        with pytest.raises(ModelError, match=rf"lifter\.onnx has the SHA-256 {other}.*needs {DIGEST}"):
            store.path("lifter")

    def test_missing_file(self, tmp_path: Path) -> None:
        store = _store(tmp_path, lifter=_entry(file="lifter.onnx"))
        with pytest.raises(ModelError, match=r"file of model 'lifter' is missing .*lifter\.onnx"):
            store.path("lifter")

    def test_changed_file_is_noticed(self, tmp_path: Path) -> None:
        store = _store(tmp_path, lifter=_entry(file="lifter.onnx", sha256=DIGEST))
        file = tmp_path / "my" / "lifter.onnx"
        file.write_bytes(CONTENT)
        store.path("lifter")
        file.write_bytes(CONTENT + b"!")
        with pytest.raises(ModelError, match="SHA-256"):
            store.path("lifter")


class TestChecksumCache:
    def test_unchanged_file_is_read_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "file"
        file.write_bytes(CONTENT)
        assert ChecksumCache(tmp_path / "sums.json").sha256(file) == DIGEST
        monkeypatch.setattr("posemo_ros.inference.checksum.sha256_of", lambda path: "read again")
        assert ChecksumCache(tmp_path / "sums.json").sha256(file) == DIGEST

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}'])
    def test_damaged_cache_only_costs_time(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "file"
        file.write_bytes(CONTENT)
        (tmp_path / "sums.json").write_text(content)
        assert ChecksumCache(tmp_path / "sums.json").sha256(file) == DIGEST

    def test_unwritable_cache_only_costs_time(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(CONTENT)
        assert ChecksumCache(file / "sums.json").sha256(file) == DIGEST


class TestPull:
    def test_file(self, tmp_path: Path, server: Server) -> None:
        store = _store(tmp_path, net=_entry(url=server.url(), sha256=DIGEST))
        with pytest.raises(ModelError, match="missing.*posemo models pull net"):
            store.path("net")
        assert not server.requests  # nothing is fetched without being told to
        seen: list[tuple[int, int]] = []
        path = store.pull("net", progress=lambda have, total: seen.append((have, total)))
        assert path == store.path("net")
        assert path.read_bytes() == CONTENT
        assert seen[-1] == (len(CONTENT), len(CONTENT))
        assert seen == sorted(seen)
        assert _leftovers(tmp_path) == [path.name]

    def test_twice_fetches_once(self, tmp_path: Path, server: Server) -> None:
        store = _store(tmp_path, net=_entry(url=server.url(), sha256=DIGEST))
        assert store.pull("net") == store.pull("net")
        assert len(server.requests) == 1

    def test_wrong_hash_leaves_nothing(self, tmp_path: Path, server: Server) -> None:
        server.files["/model.onnx"] = b"tampered with"
        store = _store(tmp_path, net=_entry(url=server.url(), sha256=DIGEST))
        with pytest.raises(ModelError, match="not what the manifest expects"):
            store.pull("net")
        assert _leftovers(tmp_path) == []

    def test_unknown_hash_is_told(
        self, tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = _store(tmp_path, net=_entry(url=server.url()))
        with caplog.at_level(logging.WARNING):
            store.pull("net")
        assert f"no SHA-256; what came has {DIGEST}" in caplog.text

    def test_without_url(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no 'url'"):
            _store(tmp_path, net=_entry(file="net.onnx")).pull("net")

    def test_new_address_is_a_new_file(self, tmp_path: Path, server: Server) -> None:
        server.files["/v2.onnx"] = b"second"
        first = _store(tmp_path, net=_entry(url=server.url())).pull("net")
        second = _store(tmp_path, net=_entry(url=server.url("v2.onnx"))).pull("net")
        assert first != second
        assert second.read_bytes() == b"second"


class TestArchive:
    @pytest.fixture
    def archive(self, server: Server) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("sdk/net/end2end.onnx", CONTENT)
            zipped.writestr("sdk/net/pipeline.json", "{}")
        server.files["/sdk.zip"] = buffer.getvalue()

    @pytest.mark.usefixtures("archive")
    @pytest.mark.parametrize("member", ["end2end.onnx", "net/end2end.onnx", "sdk/net/end2end.onnx"])
    def test_member(self, tmp_path: Path, server: Server, member: str) -> None:
        store = _store(tmp_path, net=_entry(url=server.url("sdk.zip"), member=member, sha256=DIGEST))
        path = store.pull("net")
        assert path.read_bytes() == CONTENT
        assert _leftovers(tmp_path) == [path.name]

    @pytest.mark.usefixtures("archive")
    @pytest.mark.parametrize("member", ["2end.onnx", "model.onnx"])
    def test_missing_member(self, tmp_path: Path, server: Server, member: str) -> None:
        store = _store(tmp_path, net=_entry(url=server.url("sdk.zip"), member=member))
        with pytest.raises(ModelError, match=r"expected one member.*sdk/net/end2end\.onnx"):
            store.pull("net")

    def test_not_an_archive(self, tmp_path: Path, server: Server) -> None:
        store = _store(tmp_path, net=_entry(url=server.url(), member="end2end.onnx"))
        with pytest.raises(ModelError, match="no sound zip archive"):
            store.pull("net")
        assert _leftovers(tmp_path) == []


class TestBrokenConnections:
    def test_goes_on_where_it_stopped(self, tmp_path: Path, server: Server) -> None:
        server.breaks = [300_000, 400_000]
        download(server.url(), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == CONTENT
        assert server.requests == [None, "bytes=300000-", "bytes=700000-"]
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_goes_on_in_a_later_call(self, tmp_path: Path, server: Server) -> None:
        server.breaks = [500_000, 0, 0, 0]
        with pytest.raises(ModelError, match="ended after 500000 of 1024000 bytes"):
            download(server.url(), tmp_path / "file")
        assert not (tmp_path / "file").exists()
        server.breaks, server.requests = [], []
        download(server.url(), tmp_path / "file")
        assert server.requests == ["bytes=500000-"]
        assert (tmp_path / "file").read_bytes() == CONTENT

    def test_server_without_ranges(self, tmp_path: Path, server: Server) -> None:
        server.ranges, server.breaks = False, [300_000]
        download(server.url(), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == CONTENT

    @pytest.mark.parametrize("etag", ["", 'W/"weak"'])
    def test_server_that_cannot_promise_equal_bytes(self, tmp_path: Path, server: Server, etag: str) -> None:
        server.etag, server.breaks = etag, [300_000]
        download(server.url(), tmp_path / "file")
        assert server.requests == [None, None]
        assert (tmp_path / "file").read_bytes() == CONTENT

    def test_file_changed_in_between(self, tmp_path: Path, server: Server) -> None:
        server.breaks = [300_000, 0, 0, 0]
        with pytest.raises(ModelError):
            download(server.url(), tmp_path / "file")
        server.files["/model.onnx"], server.etag, server.breaks = CONTENT[::-1], '"v2"', []
        download(server.url(), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == CONTENT[::-1]

    def test_partial_file_is_too_long(self, tmp_path: Path, server: Server) -> None:
        server.breaks = [500_000, 0, 0, 0]
        with pytest.raises(ModelError):
            download(server.url(), tmp_path / "file")
        server.files["/model.onnx"], server.breaks = CONTENT[:1000], []
        download(server.url(), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == CONTENT[:1000]

    def test_partial_file_of_another_address(self, tmp_path: Path, server: Server) -> None:
        server.breaks = [500_000, 0, 0, 0]
        with pytest.raises(ModelError):
            download(server.url(), tmp_path / "file")
        server.files["/other.onnx"], server.breaks = b"other", []
        download(server.url("other.onnx"), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"other"


class TestRefusals:
    def test_not_found_is_not_tried_again(self, tmp_path: Path, server: Server) -> None:
        with pytest.raises(ModelError, match=r"nothing\.onnx: the server answered HTTP 404"):
            download(server.url("nothing.onnx"), tmp_path / "file")
        assert len(server.requests) == 1

    def test_busy_server_is_tried_again(self, tmp_path: Path, server: Server) -> None:
        server.status = 503
        with pytest.raises(ModelError, match="HTTP 503"):
            download(server.url(), tmp_path / "file")
        assert len(server.requests) == 3

    def test_nobody_there(self, tmp_path: Path, server: Server) -> None:
        url = server.url()
        server.shutdown()
        server.server_close()
        with pytest.raises(ModelError, match="cannot download .*refused"):
            download(url, tmp_path / "file")

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "model.onnx"])
    def test_other_addresses(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(ModelError, match="expected an http or https address"):
            download(url, tmp_path / "file")

    def test_no_space(self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(ModelError, match="no space left.*1 MB are needed; 0 MB are free"):
            download(server.url(), tmp_path / "file")

    def test_disk_fills_up(self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*args: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(download_module, "write_atomically", full)
        with pytest.raises(ModelError, match="cannot store .*no space left"):
            download(server.url(), tmp_path / "file")


def test_a_file_that_is_written_at_once_may_be_read_by_others_and_leaves_nothing_beside_it(
    tmp_path: Path,
) -> None:
    before = os.umask(0o022)
    try:
        for content in ("first", b"second"):
            write_atomically(tmp_path / "weights.pt", content)
    finally:
        os.umask(before)
    assert (tmp_path / "weights.pt").stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["weights.pt"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", "no file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "weights.pt"]
