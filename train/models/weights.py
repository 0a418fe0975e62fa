"""Loading of released checkpoints by their own parameter names.

Files are read without running code from them: PyTorch's restricted unpickler, which here also
knows NumPy's random states (PoseFormer's checkpoints carry one) and nothing else.
"""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from fnmatch import fnmatch
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from torch import Tensor, nn

from posemo_ros.errors import ModelError, reason
from posemo_ros.inference.checksum import write_atomically

# Where the known repositories keep the weights inside a checkpoint.
STATE_KEYS = ("model_pos", "state_dict", "model")


def read_state(path: Path) -> dict[str, Tensor]:
    """The parameters in a checkpoint, without the ``module.`` of DataParallel.

    Args:
        path: A file of ``torch.save``: a plain state dict, or one under one of ``STATE_KEYS``.

    Raises:
        ModelError: The file cannot be read, holds objects that are not allowed, or no weights.
    """
    data = read_checkpoint(path)
    state = next((data[k] for k in STATE_KEYS if isinstance(data, Mapping) and k in data), data)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} holds no weights: expected tensors by name, or those under {STATE_KEYS}")
    return {str(k).removeprefix("module."): v for k, v in state.items()}


def read_checkpoint(path: Path) -> Any:
    """All that a checkpoint holds; tensors stay in the file, where its form allows it.

    Raises:
        ModelError: The file cannot be read, or holds objects that are not allowed.
    """
    try:
        with _numpy_random_states():
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ModelError(f"cannot read the checkpoint {path}: {why_refused(error)}") from error


def save_state(state: Mapping[str, Tensor], path: Path) -> None:
    """Write parameters as a checkpoint, all or nothing.

    Raises:
        OSError: There is no space for it, which ``torch.save`` says in words of its own.
    """
    file = io.BytesIO()
    torch.save(dict(state), file)
    write_atomically(path, file.getbuffer())


def is_cut_off(error: Exception) -> bool:
    """Whether PyTorch came to the end of a checkpoint before its contents, as a full disk leaves it."""
    invalid = getattr(error, "errno", None) == errno.EINVAL  # it looks for the end before the beginning
    return invalid or isinstance(error, EOFError) or "PytorchStreamReader" in str(error)


def why_refused(error: Exception) -> str:
    """In one line what PyTorch says on a page, with advice to read it all the same."""
    if is_cut_off(error):
        return "the file is damaged, or not whole"
    if not isinstance(error, UnpicklingError):
        return reason(error)
    refused = re.search(r"(Unsupported (?:global|class)[^.]*\S+)", str(error))
    return refused[1] if refused else "it was not written by torch.save"


def read_onnx(path: Path) -> Any:
    """An ONNX file as ``onnx.ModelProto``.

    Raises:
        ModelError: It cannot be read.
    """
    import onnx

    try:
        return onnx.load(str(path))
    except Exception as error:  # of the system, or protobuf's
        raise ModelError(f"{path}: expected an ONNX file ({reason(error)})") from error


# Parts of HRNet's ImageNet classifier that the keypoint network does not have.
IMAGENET_ONLY = (
    "incre_modules.*",
    "downsamp_modules.*",
    "final_layer.*",
    "classifier.*",
    "stage4.2.fuse_layers.[1-3].*",
)


def fill(
    network: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    *,
    may_miss: Iterable[str] = (),
    may_have: Iterable[str] = (),
) -> None:
    """Fill a network with parameters; every name has to be there and to fit.

    Args:
        network: Changed in place.
        state: Parameters by name, as ``read_state`` reads them.
        source: Where they are from, for messages.
        may_miss: Patterns of parameters that need not be there and that keep their start:
            ``*.attention.*`` for paper B's HRNet from released weights, ``final_layer.*``
            from ImageNet weights. For P-STMO after its pre-training: ``Transformer_reduce.*``
            and ``fcn*``.
        may_have: Patterns of parameters to leave out, ``IMAGENET_ONLY`` for HRNet's ImageNet weights.

    Raises:
        ModelError: Names are missing or unknown, or shapes differ; it lists them.
    """
    patterns, extra = tuple(may_miss), tuple(may_have)
    state = {k: v for k, v in state.items() if not _matches(k, extra)}
    own = network.state_dict()
    result = network.load_state_dict(
        {k: v for k, v in state.items() if k not in own or own[k].shape == v.shape}, strict=False
    )
    wrong = [
        f"{k} is {tuple(v.shape)}, expected {tuple(own[k].shape)}"
        for k, v in state.items()
        if k in own and own[k].shape != v.shape
    ]
    misfits = {k.split(" ")[0] for k in wrong}
    missing = [k for k in result.missing_keys if k not in misfits and not _matches(k, patterns)]
    problems = {"missing": missing, "unknown": result.unexpected_keys, "shapes": wrong}
    if any(problems.values()):
        text = "; ".join(f"{kind}: {_some(names)}" for kind, names in problems.items() if names)
        raise ModelError(f"{source} does not fit {type(network).__name__}: {text}")


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _some(names: list[str], limit: int = 8) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def _numpy_random_states() -> AbstractContextManager[Any]:
    """Allow what a pickled ``numpy.random.RandomState`` is made of, under old and new names."""
    import numpy.random._pickle as pickled

    array = np.zeros(1)
    rebuild = array.__reduce__()[0]
    allowed: list[Any] = [
        (rebuild, f"numpy.{package}.multiarray._reconstruct") for package in ("core", "_core")
    ]
    allowed += [np.ndarray, np.dtype, type(np.dtype(np.uint32)), type(np.dtype(np.int64))]
    allowed += [np.random.RandomState, np.random.MT19937]
    allowed += [getattr(pickled, name) for name in ("__randomstate_ctor", "__bit_generator_ctor")]
    return torch.serialization.safe_globals(allowed)
