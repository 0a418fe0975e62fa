"""TensorRT engines: built from ONNX files, kept on disk, built again when stale or broken.

An engine fits one network, one TensorRT version, one kind of GPU and one range of shapes. All of
them are in the key under which it is kept, so a change of any leads to another file.

Works with ``tensorrt`` (robots; extra ``tensorrt``) and ``tensorrt_rtx`` (the same API, builds
without a GPU, used by the tests).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError, ModelError, reason
from . import cuda
from .checksum import sha256_of, write_atomically
from .session import shape_text

MODULES = ("tensorrt", "tensorrt_rtx")
BATCHES = (1, 4, 16)
"""Smallest, usual and largest number of people; more are run in several goes."""

_PROGRESS_PERIOD_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineKey:
    """What an engine depends on."""

    model_sha256: str
    precision: str
    tensorrt: str
    gpu: str
    shapes: tuple[tuple[int, ...], ...] | None
    batches: tuple[int, ...] = BATCHES

    def file_name(self, stem: str) -> str:
        """Name of the engine's file."""
        return f"{stem}-{hashlib.sha256(self.json().encode()).hexdigest()[:16]}.engine"

    def json(self) -> str:
        """All fields, readable."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)


def installed() -> bool:
    """Whether one of ``MODULES`` is there; it is not imported, since a broken one may end the process."""
    return any(importlib.util.find_spec(name) for name in MODULES)


def import_tensorrt() -> Any:
    """The module ``tensorrt``, or ``tensorrt_rtx`` where only that is installed.

    Raises:
        MissingExtraError: Neither is installed.
        ModelError: What is installed does not work.
    """
    broken: list[str] = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        except Exception as error:  # a library that is missing, a driver that is too old
            broken.append(f"{name} is installed, but cannot be imported: {reason(error)}")
    if broken:
        raise ModelError("; ".join(broken))
    raise MissingExtraError("tensorrt", "tensorrt", "runtime 'tensorrt'")


def load_engine(
    path: Path, *, precision: str, cache_dir: Path, shapes: Sequence[tuple[int, ...]] | None
) -> Any:
    """Engine of a model file, from the cache or newly built, ready to run.

    Raises:
        ModelError: It cannot be built, or there is no GPU to run it.
        MissingExtraError: TensorRT is not installed.
    """
    trt = import_tensorrt()
    runtime = trt.Runtime(_logger(trt))
    for attempt in ("cached", "new"):
        file = cached_engine(
            path, precision=precision, cache_dir=cache_dir, shapes=shapes, rebuild=attempt == "new"
        )
        engine = runtime.deserialize_cuda_engine(file.read_bytes())
        if engine is not None:
            return engine
        if not cuda.gpu_name():
            raise ModelError(
                f"the TensorRT engine of {path.name} is built ({file}); there is no GPU to run it"
            )
        _log.warning("%s: the TensorRT engine %s is broken, building it again", path.name, file)
    raise ModelError(f"TensorRT cannot load the engine it has just built from {path}; see the log above")


def cached_engine(
    path: Path,
    *,
    precision: str,
    cache_dir: Path,
    shapes: Sequence[tuple[int, ...]] | None = None,
    rebuild: bool = False,
) -> Path:
    """File of the engine of a model; built first where it is missing or damaged. Needs no GPU.

    Raises:
        ModelError: TensorRT cannot build it.
        MissingExtraError: TensorRT is not installed.
    """
    trt = import_tensorrt()
    key = EngineKey(
        sha256_of(path),
        precision,
        f"{trt.__name__} {trt.__version__}",
        cuda.gpu_name(),
        None if shapes is None else tuple(map(tuple, shapes)),
    )
    file = cache_dir / key.file_name(path.stem)
    if not rebuild and _is_sound(file):
        _log.info("%s: TensorRT engine from the cache (%s)", path.name, file)
        return file
    with _progress(path.name):
        engine = build_engine(trt, path, precision=precision, shapes=shapes)
    write_atomically(file, engine)
    write_atomically(_notes(file), json.dumps({"sha256": sha256_of(file), "key": json.loads(key.json())}))
    return file


def _is_sound(file: Path) -> bool:
    try:
        notes = json.loads(_notes(file).read_text(encoding="utf-8"))
        return bool(notes["sha256"] == sha256_of(file))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _notes(file: Path) -> Path:
    return file.with_suffix(".json")


def build_engine(
    trt: Any, path: Path, *, precision: str, shapes: Sequence[tuple[int, ...]] | None
) -> memoryview:
    """Serialised engine of an ONNX file, in the precision of the file itself.

    Raises:
        ModelError: TensorRT does not support the network; says where.
    """
    logger = _logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise ModelError(f"TensorRT {trt.__version__} cannot read {path}: {reasons}")
    config = builder.create_builder_config()
    config.add_optimization_profile(_profile(builder, network, path, shapes))
    _set_precision(trt, config, precision)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ModelError(
            f"TensorRT {trt.__version__} cannot build {path.name}: "
            f"{'; '.join(logger.errors) or 'see the log'}"
        )
    return memoryview(engine)


def _network_flags(trt: Any) -> int:
    """Types as in the ONNX file where TensorRT can (10 and later), explicit batch before."""
    flags = trt.NetworkDefinitionCreationFlag
    for name in ("STRONGLY_TYPED", "EXPLICIT_BATCH"):
        if hasattr(flags, name):
            return 1 << int(getattr(flags, name))
    return 0


def _set_precision(trt: Any, config: Any, precision: str) -> None:
    """Tell a TensorRT that does not take the types from the file which ones it may use."""
    flag = {"fp16": "FP16", "int8": "INT8"}.get(precision, "")
    typed = hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    if flag and not typed and hasattr(trt.BuilderFlag, flag):
        config.set_flag(getattr(trt.BuilderFlag, flag))


def _profile(builder: Any, network: Any, path: Path, shapes: Sequence[tuple[int, ...]] | None) -> Any:
    """Optimisation profile: the batch from ``BATCHES``, everything else fixed."""
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        shape = _resolve(tuple(tensor.shape), shapes[i] if shapes and i < len(shapes) else None)
        if -1 in shape[1:]:
            raise ModelError(
                f"{path.name}: input {tensor.name!r} has the shape {shape_text(tuple(tensor.shape))}; "
                "TensorRT needs to know all sizes but the batch: open it with its manifest entry"
            )
        batches = BATCHES if shape[:1] == (-1,) else (shape[0],) * 3 if shape else ()
        profile.set_shape(tensor.name, *((n, *shape[1:]) for n in batches))
    return profile


def _resolve(shape: tuple[int, ...], wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    """The file's shape with its free sizes filled in."""
    if wanted is None or len(wanted) != len(shape):
        return shape
    return tuple(w if have == -1 else have for have, w in zip(shape, wanted, strict=True))


def _logger(trt: Any) -> Any:
    """A TensorRT logger that writes to ours and keeps the errors for our messages."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(message)
                _log.error("TensorRT: %s", message)
            elif severity == trt.ILogger.WARNING:
                _log.debug("TensorRT: %s", message)

    return Logger()


@contextlib.contextmanager
def _progress(name: str) -> Iterator[None]:
    """Say every few seconds that a build is still under way."""
    done = threading.Event()
    start = time.monotonic()

    def report() -> None:
        while not done.wait(_PROGRESS_PERIOD_S):
            _log.info("%s: still building the TensorRT engine, %.0f s", name, time.monotonic() - start)

    _log.info("%s: building its TensorRT engine; this takes seconds to minutes, once", name)
    thread = threading.Thread(target=report, name="engine-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    _log.info("%s: TensorRT engine built in %.1f s", name, time.monotonic() - start)
