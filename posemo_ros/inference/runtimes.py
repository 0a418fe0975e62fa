"""The runtimes a network can run on, and which of them are on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REFERENCE = "onnxruntime"  # float32 on the CPU: what every other runtime is compared with
# ONNX Runtime's execution providers by the name of the runtime that uses them.
PROVIDERS: Mapping[str, str] = {
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
    "onnxruntime-openvino": "OpenVINOExecutionProvider",
    "onnxruntime-coreml": "CoreMLExecutionProvider",
}
RUNTIMES = (REFERENCE, *PROVIDERS, "openvino", "openvino-bf16", "tensorrt")
AUTO = "auto"


def lower_precision(runtime: str) -> bool:
    """Whether a runtime computes in fewer digits than the network's file asks for."""
    return runtime.endswith("-bf16")


def available(precisions: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Runtimes that this machine has for a network, the reference first.

    Args:
        precisions: Lower precisions that the network has earned (``ModelSpec.precision_loss``).
            bfloat16 is left out where the processor has no instructions for it: it would only
            be emulated.
    """
    import onnxruntime

    there = set(onnxruntime.get_available_providers())
    names = [REFERENCE, *(name for name, provider in PROVIDERS.items() if provider in there)]
    if importlib.util.find_spec("openvino"):
        names.append("openvino")
        if "bf16" in precisions and _cpu_has_bf16():
            names.append("openvino-bf16")
    from .runtime_tensorrt import usable

    if usable():
        names.append("tensorrt")
    return tuple(names)


def versions() -> dict[str, str]:
    """Versions of the runtimes' packages that are installed."""
    names = (
        "onnxruntime",
        "onnxruntime-gpu",
        "onnxruntime-openvino",
        "openvino",
        "tensorrt",
        "tensorrt-rtx-cu12",
    )
    found = {name: _version(name) for name in names}
    return {name: text for name, text in found.items() if text}


def processor() -> str:
    """Model name of the processor, as the system gives it."""
    return _cpuinfo().get("model name", "unknown")


def _cpu_has_bf16() -> bool:
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(_cpuinfo().get("flags", "").split()))


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty elsewhere than on Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    found = {key.strip(): value.strip() for key, value in pairs}
    return {**found, "flags": found.get("flags", found.get("Features", ""))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
