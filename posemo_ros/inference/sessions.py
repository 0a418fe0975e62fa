"""Open a model file with the runtime of choice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import ModelError
from . import onnxfile
from .runtimes import PROVIDERS, REFERENCE, RUNTIMES
from .session import Session, shape_text

Shapes = Sequence[tuple[int, ...]]


def open_session(
    path: Path | str,
    *,
    runtime: str = REFERENCE,
    threads: int = 0,
    cache_dir: Path | None = None,
    shapes: Shapes | None = None,
) -> Session:
    """Load an ONNX file.

    Args:
        path: The file.
        runtime: One of ``RUNTIMES``; which one is best here, ``tuning.choose`` finds out.
        threads: CPU threads of the network; 0 for all cores this process may use. The networks
            of the chain run one after the other and never wait actively, so each may have the
            whole budget.
        cache_dir: Where engines are kept; ``cache_root() / "engines"`` when None.
        shapes: Shapes the inputs will have, in the order of the model file, -1 for the batch
            (see ``manifest.input_shapes``). The file must accept them; TensorRT needs them where
            the file leaves more than the batch free.

    Raises:
        ModelError: The file is missing, no ONNX model, does not accept ``shapes``, or the runtime
            is unknown or cannot load it.
        MissingExtraError: The runtime is not installed.
    """
    path = Path(path)
    if runtime not in RUNTIMES:
        raise ModelError(f"runtime {runtime!r} is unknown (known: {', '.join(RUNTIMES)})")
    precision = onnxfile.precision_of(path)
    session = _open(path, runtime, precision, threads or usable_cores(), cache_dir, shapes)
    _check_shapes(session, shapes, path)
    return session


def usable_cores() -> int:
    """CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_root() -> Path:
    """Folder for pulled models and built engines: ``$XDG_CACHE_HOME/posemo_ros``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posemo_ros"


def _open(
    path: Path, runtime: str, precision: str, threads: int, cache_dir: Path | None, shapes: Shapes | None
) -> Session:
    engines = cache_dir or cache_root() / "engines"
    if runtime == "tensorrt":
        from .runtime_tensorrt import TensorRtSession

        return TensorRtSession(path, precision=precision, cache_dir=engines, shapes=shapes)
    if runtime.startswith("openvino"):
        from .runtime_openvino import OpenVinoSession

        bf16 = runtime.endswith("bf16")
        return OpenVinoSession(path, precision=precision, threads=threads, bf16=bf16, shapes=shapes)
    from .runtime_onnx import OnnxRuntimeSession

    provider = PROVIDERS.get(runtime, "")
    return OnnxRuntimeSession(
        path, precision=precision, threads=threads, provider=provider, cache_dir=engines, shapes=shapes
    )


def _check_shapes(session: Session, shapes: Shapes | None, path: Path) -> None:
    if shapes is None:
        return
    have = [spec.shape for spec in session.inputs]
    fits = len(have) == len(shapes) and all(
        len(a) == len(b) and all(x == y or -1 in (x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(have, shapes, strict=True)
    )
    if not fits:
        raise ModelError(
            f"{path.name} takes {', '.join(map(shape_text, have))}, but its manifest entry "
            f"says {', '.join(map(shape_text, shapes))}"
        )
