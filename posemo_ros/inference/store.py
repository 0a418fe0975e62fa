"""Where model files come from: shipped with the package, given by the user, or pulled once."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from ..errors import ModelError
from .checksum import ChecksumCache, sha256_of
from .download import Progress, download
from .manifest import ModelSpec, load_manifest
from .resources import share_dir
from .sessions import cache_root

USER_MANIFESTS = "POSEMO_MODELS"

_log = logging.getLogger(__name__)


class ModelStore:
    """All models of the manifests, and their files.

    The package's ``config/models.yaml`` is read first, then the files named by the environment
    variable ``POSEMO_MODELS`` (separated as in ``PATH``), then ``manifests``; a later entry
    replaces an earlier one of the same name. Only ``pull`` uses the network.

    Args:
        manifests: More manifest files.
        cache: Folder for pulled files and remembered checksums; ``cache_root()`` when None.

    Raises:
        ModelError: A manifest cannot be read.
    """

    def __init__(self, manifests: Sequence[Path] | None = None, cache: Path | None = None) -> None:
        self._cache = cache or cache_root()
        self._checksums = ChecksumCache(self._cache / "checksums.json")
        self._specs: dict[str, ModelSpec] = {}
        self._folders: dict[str, Path] = {}
        for path in [share_dir("config") / "models.yaml", *_from_environment(), *(manifests or [])]:
            self._add(Path(path))

    def _add(self, path: Path) -> None:
        specs = load_manifest(path)
        self._specs.update(specs)
        self._folders.update(dict.fromkeys(specs, path.parent))

    def specs(self) -> dict[str, ModelSpec]:
        """All entries by name."""
        return dict(self._specs)

    def spec(self, name: str) -> ModelSpec:
        """One entry.

        Raises:
            ModelError: No manifest has this name.
        """
        if name not in self._specs:
            known = ", ".join(self._specs)
            near = get_close_matches(name, self._specs, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ModelError(
                f"there is no model {name!r} in the manifests{meant} (known: {known}){_to_export(name)}"
            )
        return self._specs[name]

    def location(self, name: str) -> Path:
        """Where the file of a model lies, or will lie once it is pulled."""
        spec = self.spec(name)
        if spec.file:
            return self._folders[name] / spec.file
        # The address is part of the name, so that a new address gets a new file.
        tag = hashlib.sha256(f"{spec.url}#{spec.member}".encode()).hexdigest()[:12]
        return self._cache / "models" / f"{name}-{tag}.onnx"

    def card(self, name: str) -> Path | None:
        """Where the model's card is, or None when it has none.

        Raises:
            ModelError: No manifest has this model.
        """
        spec = self.spec(name)
        return self._folders[name] / spec.card if spec.card else None

    def present(self, name: str) -> bool:
        """Whether the file is there, right or wrong."""
        return self.location(name).is_file()

    def path(self, name: str) -> Path:
        """The file of a model, present and with the right checksum.

        Raises:
            ModelError: It is missing, or differs from the manifest's SHA-256.
        """
        spec, path = self.spec(name), self.location(name)
        if not path.is_file():
            advice = f"get it with: posemo models pull {name}" if spec.url else "see its manifest entry"
            raise ModelError(f"the file of model {name!r} is missing ({path}); {advice}")
        if spec.sha256:
            _compare(self._checksums.sha256(path), spec, path, _advice(spec))
        return path

    def sha256(self, name: str) -> str:
        """SHA-256 of the file that is there."""
        return self._checksums.sha256(self.location(name))

    def pull(self, name: str, progress: Progress | None = None) -> Path:
        """Download a model unless it is there already, check it and put it in its place.

        Args:
            name: An entry with a ``url``.
            progress: Told (bytes so far, bytes in all); 0 in all when the server does not say.

        Raises:
            ModelError: The entry has no URL, the download failed, the archive lacks the member,
                the checksum is wrong, or the disk is full.
        """
        spec = self.spec(name)
        if self.present(name):
            return self.path(name)
        if not spec.url:
            raise ModelError(f"model {name!r} has no 'url' to pull from, and its file is missing")
        target = self.location(name)
        fetched, member = target.with_suffix(".download"), target.with_suffix(".member")
        try:
            download(spec.url, fetched, progress=progress)
            found = _unpack(fetched, member, spec) if spec.member else fetched
            digest = sha256_of(found)
            _compare(digest, spec, found, f"what {spec.url} serves is not what the manifest expects")
            found.replace(target)
        finally:
            fetched.unlink(missing_ok=True)
            member.unlink(missing_ok=True)
        if not spec.sha256:
            _log.warning(
                "%s: the manifest has no SHA-256; what came has %s (add it to the entry)", name, digest
            )
        return target


def _from_environment() -> list[Path]:
    return [Path(path) for path in os.environ.get(USER_MANIFESTS, "").split(os.pathsep) if path]


def _advice(spec: ModelSpec) -> str:
    if spec.url and not spec.file:
        return f"delete it and get it again with: posemo models pull {spec.name}"
    return "put the right file there, or correct 'sha256' in the manifest"


def _compare(digest: str, spec: ModelSpec, path: Path, advice: str) -> None:
    if spec.sha256 and digest != spec.sha256:
        raise ModelError(
            f"{path} has the SHA-256 {digest}, but model {spec.name!r} needs {spec.sha256}; {advice}"
        )


def _unpack(archive: Path, target: Path, spec: ModelSpec) -> Path:
    """Write the member of a zip archive to ``target``."""
    try:
        with (
            zipfile.ZipFile(archive) as zipped,
            zipped.open(_find(zipped, spec)) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 1 << 20)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ModelError(f"what came from {spec.url} is no sound zip archive: {error}") from error
    except OSError as error:
        raise ModelError(f"cannot unpack {spec.url} to {target.parent}: {error}") from error
    return target


def _find(zipped: zipfile.ZipFile, spec: ModelSpec) -> str:
    names = [name for name in zipped.namelist() if f"/{name}".endswith(f"/{spec.member}")]
    if len(names) != 1:
        raise ModelError(
            f"{spec.url}: expected one member {spec.member!r}, found {names or sorted(zipped.namelist())}"
        )
    return names[0]


def _to_export(name: str) -> str:
    """What to do about a name whose entry is a comment in the package's manifest."""
    text = (share_dir("config") / "models.yaml").read_text(encoding="utf-8")
    if not name or f"\n  # {name}:\n" not in text:
        return ""
    return (
        "; its makers have no ONNX file: export it (`python -m train export --help`) and put the entry that "
        "config/models.yaml has for it as a comment into a manifest of your own (--manifest, parameter "
        "manifests)"
    )
