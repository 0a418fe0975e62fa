"""Networks to ONNX: float32, half precision, 8 bit; and their manifest entry.

The files are for ONNX Runtime, OpenVINO and TensorRT alike: opset 18, a free batch, everything
else fixed. TensorRT takes the precision from the file, so there is a file per precision.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from posemo_ros.archives import read_npz
from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.manifest import STATIONS, parse_entry
from posemo_ros.skeleton import H36M17

from .data import mpi_inf_3dhp
from .models.zoo import Entry, centre_frame

OPSET = 18
TOLERANCE = 1e-4  # largest difference of a float32 file from PyTorch over the largest output
Arrays = Mapping[str, NDArray[np.float32]]

# It warns of every optional library that is absent, whatever is exported.
logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)


class Deployed(nn.Module):
    """A network reduced to what the stations read: of a lifter, the pose of the centre frame, H36M-17."""

    to_h36m: Tensor
    from_h36m: Tensor

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.network, self.lifts = entry.network.eval(), entry.task == "lifter"
        self.reorders = entry.settings.get("input_joints") == mpi_inf_3dhp.JOINT_SET
        to_h36m = torch.tensor(mpi_inf_3dhp.H36M_ORDER)
        self.register_buffer("to_h36m", to_h36m, persistent=False)
        self.register_buffer("from_h36m", to_h36m.argsort(), persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """As the network's, with the batch on the first axis."""
        if self.reorders:
            inputs = (inputs[0].index_select(2, self.from_h36m), *inputs[1:])
        out = self.network(*inputs)
        pose = centre_frame(out) if self.lifts else out
        return pose.index_select(2, self.to_h36m) if self.reorders else pose


def to_onnx(network: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path) -> float:
    """Write a float32 ONNX file with a free batch and compare it with PyTorch.

    Args:
        network: Takes the inputs in their order; it is put into evaluation mode.
        inputs: Name -> example, float32, with a batch of at least 2 on the first axis.
        outputs: Names.
        path: Of the file.

    Returns:
        Largest difference between ONNX Runtime and PyTorch over the largest output, on a batch of
        another size.

    Raises:
        ModelError: The difference is larger than ``TOLERANCE``; no file is left.
    """
    network.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = torch.export.Dim("batch", min=1, max=1024)
    torch.onnx.export(
        network,
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=_dynamic_shapes(network, inputs, batch),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _strip(path)
    trial = {k: torch.cat([v, v[:1]]).flip(0) * 0.7 for k, v in inputs.items()}
    with torch.no_grad():
        expected = network(*trial.values())
    difference = compare(path, _numpy(trial), expected if isinstance(expected, tuple) else (expected,))
    if difference > TOLERANCE:
        path.unlink()
        raise ModelError(
            f"{path.name}: ONNX Runtime differs from PyTorch by {difference:.1e} of the largest output"
        )
    return difference


def compare(path: Path, inputs: Arrays, expected: Sequence[Tensor]) -> float:
    """Largest difference between a model file's outputs and others, over the largest of those."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(None, dict(inputs))
    pairs = [(np.asarray(a, np.float64), b.double().numpy()) for a, b in zip(got, expected, strict=True)]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def store_half(path: Path) -> None:
    """Keep the weights in half precision, cast to float32 when the file is loaded: half the size.

    The arithmetic stays float32; runtimes fold the casts into constants.
    """
    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 64:
            continue
        half = onnx.numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half")
        casts.append(onnx.helper.make_node("Cast", [half.name], [tensor.name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(half)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def to_fp16(source: Path, path: Path) -> None:
    """Half precision weights and arithmetic; inputs and outputs stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
    nodes = {node.name: node for node in model.graph.node}  # it repeats casts that several nodes share
    del model.graph.node[:]
    model.graph.node.extend(nodes.values())
    onnx.save(model, str(path))


def to_int8(source: Path, path: Path, samples: Arrays) -> None:
    """8 bit with QuantizeLinear/DequantizeLinear pairs, calibrated on samples.

    Symmetric and without quantised biases, which TensorRT asks for. The weights use seven of the
    eight bits: processors with AVX2 and no VNNI add pairs of products in 16 bits, which overflow
    with eight, so that the same file would answer differently there (ONNX Runtime's advice,
    "Quantize ONNX Models", ``reduce_range``). How much accuracy it costs depends on the network:
    measure it on the task's metric before using the file.

    Args:
        source: The float32 file.
        samples: Input name -> (n, ...) float32: real inputs, some hundreds.
    """
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(path),
            _Samples(samples),
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
        )


class _Samples:
    """Feeds a quantiser one sample at a time."""

    def __init__(self, samples: Arrays) -> None:
        count = min(map(len, samples.values()))
        self._feeds = iter([{k: v[i : i + 1] for k, v in samples.items()} for i in range(count)])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next sample's inputs, None at the end."""
        return next(self._feeds, None)


def load_samples(path: Path, inputs: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Calibration samples from an .npz file with an array (n, ...) per input.

    Raises:
        InputError: It cannot be read, or an input is missing or has another shape.
    """
    data = read_npz(path, "samples to calibrate with")
    for name, example in inputs.items():
        shape = tuple(example.shape[1:])
        if name not in data or data[name].shape[1:] != shape or len(data[name]) == 0:
            have = ", ".join(f"{k} {data[k].shape}" for k in data)
            wanted = f"(n, {', '.join(map(str, shape))})"
            raise InputError(f"{path}: expected an array {name!r} of shape {wanted}, it has {have}")
        if data[name].dtype.kind not in "fiu" or not np.isfinite(data[name]).all():
            raise InputError(f"{path}: {name!r} has numbers like NaN, or none; expected real inputs")
    return {name: np.asarray(data[name], np.float32) for name in inputs}


def manifest_entry(entry: Entry, path: Path, *, licence: str, source: str) -> dict[str, Any]:
    """The manifest's entry for a model file, without its hash when it does not exist yet."""
    settings = dict(entry.settings)
    if settings.get("input_joints") == mpi_inf_3dhp.JOINT_SET:
        settings["input_joints"] = "h36m17"  # see ``Deployed``
    return {
        entry.task: settings,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "",
        "licence": licence,
        "source": source,
    }


def check_station(entry: Entry) -> None:
    """Refuse what the chain has no place for.

    Raises:
        ModelError: It is a baseline.
    """
    if entry.task not in STATIONS:
        raise ModelError(
            f"no station runs this network, a baseline on {entry.task}: test it, there is no export"
        )


def export(
    entry: Entry,
    path: Path,
    *,
    licence: str,
    source: str,
    fp16: bool = False,
    samples: Arrays | None = None,
    small: bool = False,
) -> dict[Path, float]:
    """Write ``path``, where asked its fp16 and int8 versions beside it, and the manifest of all.

    Args:
        entry: Network with its weights.
        path: ``folder/name.onnx``; the others are ``name-fp16.onnx`` and ``name-int8.onnx``, the
            manifest is ``name.yaml``.
        licence, source: For the manifest.
        fp16: Also write half precision.
        samples: Calibration samples; also write int8.
        small: Store the weights in half precision (``store_half``).

    Returns:
        Largest relative difference from PyTorch by file; for int8 on the calibration samples.

    Raises:
        ModelError: The entry's settings are no valid manifest, or the file is wrong.
    """
    check_station(entry)
    entry.check_shapes()
    if (joints := entry.settings.get("joints", len(H36M17))) != len(H36M17):
        raise ModelError(f"a network of {joints} joints cannot be exported: the station lifts {len(H36M17)}")
    manifest = path.with_suffix(".yaml")
    parse_entry(path.stem, manifest_entry(entry, path, licence=licence, source=source), manifest)
    network = Deployed(entry)
    differences = {path: to_onnx(network, entry.inputs, entry.outputs, path)}
    if small:
        store_half(path)
        differences[path] = _difference(network, path, _numpy(entry.inputs))
    if fp16:
        half = path.with_name(f"{path.stem}-fp16.onnx")
        to_fp16(path, half)
        differences[half] = _difference(network, half, _numpy(entry.inputs))
    if samples is not None:
        quantised = path.with_name(f"{path.stem}-int8.onnx")
        to_int8(path, quantised, samples)
        differences[quantised] = _difference(network, quantised, {k: v[:8] for k, v in samples.items()})
    entries = {p.stem: manifest_entry(entry, p, licence=licence, source=source) for p in differences}
    manifest.write_text(
        yaml.safe_dump({"models": entries}, sort_keys=False, default_flow_style=None), encoding="utf-8"
    )
    return differences


def _difference(network: nn.Module, path: Path, inputs: Arrays) -> float:
    with torch.no_grad():
        expected = network(*(torch.from_numpy(v) for v in inputs.values()))
    return compare(path, inputs, expected if isinstance(expected, tuple) else (expected,))


def _numpy(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    return {k: v.numpy() for k, v in tensors.items()}


def _dynamic_shapes(network: nn.Module, inputs: Mapping[str, Tensor], batch: Any) -> Any:
    """The free batch in the form ``torch.export`` wants for this signature."""
    free = tuple({0: batch} for _ in inputs)
    return (free,) if isinstance(network, Deployed) else free


def _strip(path: Path) -> None:
    """Take names of source files, which the exporter writes down, out of the model."""
    model = onnx.load(str(path))
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for values in (model.graph.value_info, model.graph.input, model.graph.output, model.graph.initializer):
        for value in values:
            del value.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
