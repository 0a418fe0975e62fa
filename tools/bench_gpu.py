"""Measures everything on a machine with a GPU and writes docs/performance_gpu.md: ``make bench-gpu``.

Meant for a bare machine without network: Python, a driver, and a folder of wheels, collected before
on a machine with the same Python and system that has a network::

    make bench-gpu-wheels WHEELS=wheels     # there
    make bench-gpu WHEELS=wheels            # here

It makes an environment of its own (.venv-gpu), lets every runtime of the machine run every network on
the golden inputs (right? how fast?), and runs the benchmark with each runtime that was right and with
the choice of ``auto``. Nothing here needs ROS.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv-gpu"
PAGE = ROOT / "docs" / "performance_gpu.md"
# Instead of onnxruntime, with the libraries of CUDA that its providers load; TensorRT by its own API.
GPU_PACKAGES = (
    "onnxruntime-gpu[cuda,cudnn]>=1.20",
    "tensorrt>=10",
    "cuda-bindings>=12.6",
    "openvino>=2024.0",
    "rtmlib>=0.0.13",
)
SHIPPED = ("posemo-detector", "posemo-keypoints", "posemo-keypoints-fast", "posemo-lifter", "posemo-emotion")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheels", type=Path, default=ROOT / "wheels", help="folder of wheels")
    parser.add_argument("--collect", action="store_true", help="fill the folder; needs a network")
    parser.add_argument("--measure", action="store_true", help="in this Python, without installing anything")
    parser.add_argument("--quick", action="store_true", help="fewer scenes")
    parser.add_argument("--out", type=Path, default=PAGE, help="page; its JSON goes to bench/gpu.json beside")
    args = parser.parse_args(argv)
    if args.collect:
        return collect(args.wheels)
    if not args.measure:
        return in_environment(args)
    sys.path.insert(0, str(ROOT))
    try:
        report = measure(quick=args.quick)
    except Exception as error:
        from posemo_ros.errors import PosemoError

        if not isinstance(error, PosemoError):
            raise
        print(f"bench-gpu: {error}", file=sys.stderr)
        return 1
    write(report, args.out)
    print(f"wrote {args.out}")
    return 0


def requirements() -> list[str]:
    """What the package needs without ROS, on a machine with a GPU."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    own = setup["options"]["install_requires"].split("\n")
    return [line for line in own if line and not line.startswith("onnxruntime")] + list(GPU_PACKAGES)


def collect(wheels: Path) -> int:
    """Download the wheels."""
    command = [sys.executable, "-m", "pip", "download", "--dest", str(wheels), *requirements()]
    return subprocess.run(command, check=False).returncode


def in_environment(args: argparse.Namespace) -> int:
    """Install the wheels into an environment of their own, without network, and measure there."""
    if not args.wheels.is_dir():
        print(
            f"bench-gpu: there is no folder {args.wheels}; collect it with `make bench-gpu-wheels` "
            "on a machine with a network, or name it with WHEELS=",
            file=sys.stderr,
        )
        return 1
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", f"--find-links={args.wheels}"]
    if subprocess.run([*install, *requirements()], check=False).returncode:
        print("bench-gpu: the wheels do not fit this Python, or some are missing; see above", file=sys.stderr)
        return 1
    command = [python, __file__, "--measure", "--out", args.out, *(["--quick"] if args.quick else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(ENVIRONMENT / "cache")}
    return subprocess.run(list(map(str, command)), env=environment, check=False).returncode


def measure(*, quick: bool = False, maker: Callable[..., Any] | None = None) -> dict[str, Any]:
    """All figures.

    Args:
        quick: Fewer scenes.
        maker: Of the benchmark's contenders; for tests.

    Raises:
        ModelError: There is no GPU, or a network cannot be used.
    """
    from posemo_ros.bench.contenders import Chain, make
    from posemo_ros.bench.run import QUICK, Plan, bench
    from posemo_ros.errors import ModelError
    from posemo_ros.inference import cuda
    from posemo_ros.inference.runtimes import AUTO, versions
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.machine import machine
    from posemo_ros.pipeline import Models, Settings
    from posemo_ros.tuning import choose

    device = cuda.gpu_name()
    if not device:
        raise ModelError("CUDA finds no GPU on this machine; `posemo bench` measures processors")
    store, plan = ModelStore(), QUICK if quick else Plan()
    choices = {name: choose(store, name, again=True) for name in SHIPPED}
    right = [v.runtime for v in choices["posemo-keypoints"].verdicts if not v.reason]
    benches = {}
    for runtime in (AUTO, *(r for r in right if r.startswith(("onnxruntime-", "tensorrt")))):
        chain = Chain(Models(runtime=runtime), Settings(), store)
        print(f"benchmark on {runtime}", file=sys.stderr, flush=True)
        benches[runtime] = bench(chain, replace(plan, minutes=0.0), maker=maker or make)
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "device": device,
        "machine": {**machine(), **versions()},
        "choices": {name: asdict(choice) for name, choice in choices.items()},
        "benches": benches,
    }


def write(report: Mapping[str, Any], page: Path) -> None:
    """The page, and the JSON file that it was made from beside it."""
    file = page.parent / "bench" / "gpu.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    page.write_text(text(report), encoding="utf-8")


def text(report: Mapping[str, Any]) -> str:
    """The page."""
    sys.path.insert(0, str(ROOT / "tools"))
    import performance

    facts = ", ".join(f"{name} {value}" for name, value in report["machine"].items() if value)
    lines = [
        "# Speed on a GPU",
        "",
        f"Measured by `make bench-gpu` on **{report['device']}**, {report['date']}. Machine: {facts}.",
        "",
        "## Every runtime, every network",
        "",
        "Milliseconds for the golden inputs (one to four people), and whether the answers agree with float32 "
        "on the processor.",
        "",
    ]
    body = [
        [
            f"`{name}`",
            verdict["runtime"],
            "–" if verdict["ms"] is None else f"{verdict['ms']:.2f}",
            verdict["reason"] or "right",
            "chosen" if verdict["runtime"] == choice["runtime"] else "",
        ]
        for name, choice in report["choices"].items()
        for verdict in choice["verdicts"]
    ]
    lines += [performance.rows(["network", "runtime", "ms", "answers", ""], body), ""]
    for runtime, found in report["benches"].items():
        lines += [f"## The chain, `runtime: {runtime}`", "", performance.machine(found), ""]
        lines += [performance.crowds(found), ""]
        if found["paced"]:
            lines += ["With the images of a camera:", "", performance.paced(found), ""]
        if found["sizes"]:
            lines += [performance.sizes(found), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
