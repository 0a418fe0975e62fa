"""The runtimes a network can run on, and which of them are on this machine."""

from __future__ import annotations

import importlib.util
import platform
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
CPUINFO = Path("/proc/cpuinfo")


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
        if "bf16" in precisions and computes_bfloat16():
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


# What a network's speed and answers depend on, by the flags that the kernel lists (x86-64, AArch64).
INSTRUCTIONS: Mapping[str, frozenset[str]] = {
    "AVX2": frozenset({"avx2"}),
    "AVX-512": frozenset({"avx512f"}),
    "VNNI": frozenset({"avx512_vnni", "avx_vnni"}),
    "AMX": frozenset({"amx_tile"}),
    "NEON": frozenset({"asimd"}),
    "int8": frozenset({"i8mm"}),
    "bfloat16": frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
}


def processor() -> str:
    """The processor's name as the system gives it, and its instructions: "AMD EPYC (AVX2)".

    A name alone says little: on a virtual machine several generations may carry the same.
    """
    info = _cpuinfo()
    name = info.get("model name") or platform.processor() or platform.machine() or "unknown"
    sets = instructions(info.get("flags", ""))
    return f"{name} ({', '.join(sets)})" if sets else name


def instructions(flags: str) -> tuple[str, ...]:
    """Those of ``INSTRUCTIONS`` that the flags of /proc/cpuinfo name, in that order."""
    return tuple(name for name, any_of in INSTRUCTIONS.items() if any_of & set(flags.split()))


def computes_bfloat16() -> bool:
    """Whether the processor has instructions for it; without, runtimes compute in float32 and say nothing."""
    return "bfloat16" in instructions(_cpuinfo().get("flags", ""))


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty elsewhere than on Linux."""
    try:
        text = CPUINFO.read_text(encoding="utf-8")
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
