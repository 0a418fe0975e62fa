"""`auto` takes the fastest runtime whose answers are right, and survives the others."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from posemo_ros import tuning
from posemo_ros.cli import main
from posemo_ros.cli.models import tune
from posemo_ros.cli.models.tune import describe
from posemo_ros.errors import ModelError
from posemo_ros.golden import golden_for
from posemo_ros.inference import runtimes, trial
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.inference.trial import Trial, try_runtime
from posemo_ros.pipeline import Models, build_detector

from .inference.conftest import affine_model

SHIPPED = ("posemo-detector", "posemo-keypoints", "posemo-lifter", "posemo-emotion")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(tuning.RUNTIME_VARIABLE, raising=False)
    return tmp_path / "posemo_ros"


@pytest.fixture
def log_level() -> Iterator[logging.Logger]:
    """The logger, which gets its level back: commands set it."""
    logger = logging.getLogger("posemo_ros.tuning")
    before = logger.level
    yield logger
    logger.setLevel(before)


def _trials(store: ModelStore, name: str) -> Callable[..., Callable[[str], Trial]]:
    """Trials with given times and errors in the outputs, instead of real ones."""
    session = open_session(store.path(name))
    feeds = golden_for(store.spec(name).spec).feeds(session)
    outputs = [session.run(f) for f in feeds]

    def make(**behaviour: float | tuple[float, float] | str) -> Callable[[str], Trial]:
        def attempt(runtime: str) -> Trial:
            what = behaviour[runtime.replace("-", "_")]
            if isinstance(what, str):
                raise ModelError(what)
            ms, error = what if isinstance(what, tuple) else (what, 0.0)
            return Trial([{k: v * np.float32(1 + error) for k, v in o.items()} for o in outputs], ms)

        return attempt

    return make


@pytest.mark.parametrize(
    ("behaviour", "chosen"),
    [
        ({"onnxruntime": 10.0, "openvino": 5.0}, "openvino"),
        ({"onnxruntime": 10.0, "openvino": 9.8}, "onnxruntime"),  # not worth it
        ({"onnxruntime": 10.0, "openvino": (5.0, 0.5), "tensorrt": 7.0}, "tensorrt"),  # fast and wrong
        ({"onnxruntime": 10.0, "openvino": "crashed (SIGSEGV)", "tensorrt": 7.0}, "tensorrt"),
        ({"onnxruntime": 10.0, "openvino": (5.0, float("nan"))}, "onnxruntime"),
    ],
)
def test_the_fastest_of_those_that_are_right(behaviour: dict[str, float], chosen: str) -> None:
    store = ModelStore()
    attempt = _trials(store, "posemo-emotion")(**behaviour)
    golden = golden_for(store.spec("posemo-emotion").spec)
    session = open_session(store.path("posemo-emotion"))
    choice = tuning.compare(list(behaviour), attempt, golden, session)
    assert choice.runtime == chosen
    assert [v.runtime for v in choice.verdicts] == list(behaviour)


@pytest.mark.parametrize("name", SHIPPED)
def test_golden_test_tells_right_from_wrong(name: str) -> None:
    store = ModelStore()
    golden = golden_for(store.spec(name).spec)
    session = open_session(store.path(name))
    feeds = golden.feeds(session)
    assert feeds
    outputs = [session.run(f) for f in feeds]
    right = golden.answers(session, outputs)
    assert sum(len(a) for a in right) > 0
    assert golden.difference(right, golden.answers(session, outputs)) == ""
    noise = np.random.default_rng(0)
    wrong = [
        {k: (1.5 * v + noise.normal(0, 0.3, v.shape).astype(np.float32)) for k, v in o.items()}
        for o in outputs
    ]
    assert golden.difference(right, golden.answers(session, wrong))


ROUNDED = ("posemo-keypoints", "posemo-lifter")


@pytest.mark.parametrize("name", ROUNDED)
def test_rounding_is_told_from_a_fault(name: str) -> None:
    """In lower precision a few answers may jump; a joint or a person that is wrong throughout may not."""
    store = ModelStore()
    golden = golden_for(store.spec(name).spec)
    session = open_session(store.path(name))
    right = golden.ask(session)
    unit = 1.0 if name == "posemo-keypoints" else 1e-3

    def changed(*where: object) -> list[np.ndarray]:
        out = [answer.copy() for answer in right]
        for answer in out:
            answer[(*where, ..., slice(0, 2))] += 30 * unit  # type: ignore[index]
        return out

    assert golden.rounded(right, [a + np.float32(0.01 * unit) for a in right]) == ""
    one_joint_of_one = changed(0, 9)
    assert golden.rounded(right, one_joint_of_one) == "" != golden.difference(right, one_joint_of_one)
    assert "typically differ" in golden.rounded(right, changed(slice(None), 9))
    assert "typically differ" in golden.rounded(right, changed(0))
    assert "typically differ" in golden.rounded(right, [a * np.float32("nan") for a in right])


def test_bfloat16_that_mixes_people_up_is_dropped() -> None:
    """Right for everybody alone, wrong for several at once: a fault."""
    store = ModelStore()
    spec = store.spec("posemo-keypoints").spec
    golden, session = golden_for(spec), open_session(store.path("posemo-keypoints"))
    outputs = [session.run(f) for f in golden.feeds(session)]
    less, more = (
        [{k: v + np.float32([0, 0, d]) for k, v in o.items()} for o in outputs] for d in (-0.03, 0.03)
    )
    trials = {
        "onnxruntime": Trial(outputs, 10.0),
        "openvino-bf16": Trial(less, 5.0, alone=more),
    }
    choice = tuning.compare(list(trials), trials.__getitem__, golden, session)
    assert choice.runtime == "onnxruntime"
    assert "several people at once get other answers" in choice.verdicts[1].reason
    rounded = [{k: v + np.float32([0, 0, 0.01]) for k, v in o.items()} for o in outputs]
    trials["openvino-bf16"] = Trial(rounded, 5.0, alone=outputs)
    assert tuning.compare(list(trials), trials.__getitem__, golden, session).runtime == "openvino-bf16"


def test_choice_is_remembered_until_something_changes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModelStore()
    fake = _trials(store, "posemo-emotion")(onnxruntime=10.0, openvino=4.0)
    asked: list[str] = []

    def attempt(path: Path, runtime: str, feeds: object, **_: object) -> Trial:
        asked.append(runtime)
        return fake(runtime)

    monkeypatch.setattr(tuning, "available", lambda _: ("onnxruntime", "openvino"))
    monkeypatch.setattr(tuning, "try_runtime", attempt)
    assert tuning.choose(store, "posemo-emotion").runtime == "openvino"
    assert tuning.choose(store, "posemo-emotion").runtime == "openvino"
    assert asked == ["onnxruntime", "openvino"]
    assert json.loads((cache / "runtimes.json").read_text())
    monkeypatch.setattr(tuning, "versions", lambda: {"openvino": "another"})
    tuning.choose(store, "posemo-emotion")
    assert len(asked) == 4
    (cache / "runtimes.json").write_text("{damaged")
    assert tuning.choose(store, "posemo-emotion").runtime == "openvino"


def test_read_only_cache_costs_only_the_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tuning, "available", lambda _: ("onnxruntime", "openvino"))
    with caplog.at_level(logging.WARNING):
        assert tuning.choose(ModelStore(), "posemo-emotion").runtime == "onnxruntime"
    assert "cannot be written" in caplog.text
    table = describe(tuning.choose(ModelStore(), "posemo-emotion"))
    assert "cannot be written" in table
    assert "nothing else" not in table


def test_two_do_not_measure_each_other(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes of a launch start together; each would slow the other's runtimes down."""
    fake = _trials(ModelStore(), "posemo-emotion")(onnxruntime=10.0, openvino=4.0)
    under_way, most, asked = [0], [0], list[str]()

    def attempt(path: Path, runtime: str, feeds: object, **_: object) -> Trial:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        asked.append(runtime)
        time.sleep(0.1)
        under_way[0] -= 1
        return fake(runtime)

    monkeypatch.setattr(tuning, "available", lambda _: ("onnxruntime", "openvino"))
    monkeypatch.setattr(tuning, "try_runtime", attempt)
    with ThreadPoolExecutor(3) as pool:
        choices = list(pool.map(lambda _: tuning.choose(ModelStore(), "posemo-emotion"), range(3)))
    assert [c.runtime for c in choices] == ["openvino"] * 3
    assert most == [1]
    assert asked == ["onnxruntime", "openvino"]  # the others read what the first has found


RIGHT = {"runtime": "openvino", "ms": 4.0, "reason": ""}


@pytest.mark.parametrize(
    "entry",
    [
        {"runtime": "tflite", "verdicts": [{**RIGHT, "runtime": "tflite"}]},
        {"runtime": "openvino", "verdicts": []},
        {"runtime": 5, "verdicts": []},
        {"runtime": None, "verdicts": [RIGHT]},
        {"runtime": ["openvino"], "verdicts": [RIGHT]},
        {"runtime": "openvino", "verdicts": [{**RIGHT, "ms": "fast"}]},
        {"runtime": "openvino", "verdicts": [{**RIGHT, "reason": "keypoints differ by up to 9 px"}]},
        {"runtime": "openvino", "verdicts": {"a": 1}},
        {"runtime": "openvino", "verdicts": 5},
        [],
        None,
    ],
)
def test_nonsense_that_is_remembered_is_measured_anew(
    cache: Path, monkeypatch: pytest.MonkeyPatch, entry: object
) -> None:
    fake = _trials(ModelStore(), "posemo-emotion")(onnxruntime=10.0, openvino=4.0)
    monkeypatch.setattr(tuning, "available", lambda _: ("onnxruntime", "openvino"))
    monkeypatch.setattr(tuning, "try_runtime", lambda path, runtime, feeds, **_: fake(runtime))
    tuning.choose(ModelStore(), "posemo-emotion")
    file = cache / "runtimes.json"
    (key,) = json.loads(file.read_text())
    file.write_text(json.dumps({key: entry}))
    choice = tuning.choose(ModelStore(), "posemo-emotion")
    assert choice.runtime == "openvino"
    assert "4.0 ms" in describe(choice)


def test_a_runtime_that_broke_since_it_was_chosen_gives_way(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A GPU that another program fills, a driver that was changed: not fatal, and said."""
    monkeypatch.setattr(tuning, "choose", lambda *_, **__: tuning.Choice("onnxruntime-cuda"))
    with caplog.at_level(logging.WARNING):
        session = tuning.open_model(ModelStore(), "posemo-emotion")
    assert session.runtime == "onnxruntime"
    assert "onnxruntime-cuda, which was measured to be faster, does not load it now" in caplog.text
    assert "posemo models tune --again posemo-emotion" in caplog.text
    with pytest.raises(ModelError, match="CUDAExecutionProvider"):  # what is named is meant
        tuning.open_model(ModelStore(), "posemo-emotion", runtime="onnxruntime-cuda")
    monkeypatch.setenv(tuning.RUNTIME_VARIABLE, "onnxruntime-cuda")
    with pytest.raises(ModelError, match="CUDAExecutionProvider"):
        tuning.open_model(ModelStore(), "posemo-emotion")


@pytest.mark.parametrize("error", [ModelError("the demo files were not found"), OSError("no more processes")])
def test_where_nothing_can_be_measured_the_reference_runs(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(tuning, "available", lambda _: ("onnxruntime", "openvino"))
    monkeypatch.setattr(tuning, "golden_for" if isinstance(error, ModelError) else "try_runtime", fail)
    with caplog.at_level(logging.WARNING):
        assert tuning.choose(ModelStore(), "posemo-emotion").runtime == "onnxruntime"
    assert str(error) in caplog.text
    assert not (cache / "runtimes.json").exists()  # it may be possible next time


def test_alone_nothing_is_measured(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "available", lambda _: ("onnxruntime",))
    monkeypatch.setattr(tuning, "try_runtime", None)
    assert tuning.choose(ModelStore(), "posemo-emotion").runtime == "onnxruntime"


def test_the_environment_overrides_auto(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tuning.RUNTIME_VARIABLE, "tflite")
    with pytest.raises(ModelError, match="'tflite' is unknown"):
        tuning.open_model(ModelStore(), "posemo-emotion")


@pytest.mark.parametrize(("loss", "there"), [({}, False), ({"bf16": 0.004}, True), ({"bf16": 0.01}, False)])
def test_bfloat16_has_to_be_earned(
    loss: dict[str, float], there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(runtimes, "computes_bfloat16", lambda: True)
    entry = dataclasses.replace(ModelStore().spec("posemo-emotion"), precision_loss=loss)
    assert ("openvino-bf16" in runtimes.available(tuning.earned(entry))) is there


ARM = platform.processor() or platform.machine()  # its kernel gives no name


@pytest.mark.parametrize(
    ("cpuinfo", "said"),
    [
        ("model name\t: AMD EPYC\nflags\t\t: fma avx avx2", "AMD EPYC (AVX2)"),
        (
            "model name\t: AMD EPYC\nflags\t\t: avx2 avx512f avx512_bf16 avx512_vnni",
            "AMD EPYC (AVX2, AVX-512, VNNI, bfloat16)",
        ),
        (
            "Features\t: fp asimd bf16 i8mm",
            f"{platform.processor() or platform.machine()} (NEON, int8, bfloat16)",
        ),
    ],
)
def test_processors_of_one_name_are_told_apart(
    cpuinfo: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered, and a benchmark's file, must say on which of them it was measured."""
    (tmp_path / "cpuinfo").write_text(cpuinfo + "\n\nmodel name\t: another core\n")
    monkeypatch.setattr(runtimes, "CPUINFO", tmp_path / "cpuinfo")
    assert runtimes.processor() == said
    assert runtimes.computes_bfloat16() is ("bfloat16" in said)


def test_trial_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = affine_model(tmp_path / "affine.onnx")
    feeds = [{"x": np.ones((1, 3), np.float32)}, {"x": np.zeros((2, 3), np.float32)}]
    options = {"threads": 1, "shapes": [(-1, 3)], "cache_dir": tmp_path}
    done = try_runtime(path, "onnxruntime", feeds, **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(done.outputs[0]["y"], np.full((1, 3), 3.0))
    assert done.outputs[1]["total"].shape == (2,)
    assert done.ms > 0
    assert [set(o) for o in done.alone] == [{"y", "total"}] * 2
    np.testing.assert_array_equal(done.alone[1]["y"], done.outputs[1]["y"])
    with pytest.raises(ModelError, match="this ONNX Runtime has no CUDAExecutionProvider"):
        try_runtime(path, "onnxruntime-cuda", feeds, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -SEGV $$", r"crashed \(SIGSEGV\)"),
        ("exec sleep 3600", "did not come to an end within"),
        ("echo one >&2; echo the driver is too old >&2; exit 3", "the driver is too old"),
        ("exit 3", "exit code 3"),
    ],
)
def test_a_runtime_takes_only_its_own_process_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(trial.sys, "executable", str(python))
    options = {"threads": 1, "shapes": [], "cache_dir": tmp_path}
    with pytest.raises(ModelError, match=message):
        try_runtime(
            tmp_path / "x.onnx", "openvino", [], **options, timeout_s=0.5 if "sleep" in script else 180.0
        )
    assert sys.executable == str(python)


def test_auto_measures_for_real(cache: Path) -> None:
    """Every runtime of this machine on a shipped network; whichever wins gives the right answers."""
    choice = tuning.choose(ModelStore(), "posemo-emotion", threads=1)
    assert choice.runtime in runtimes.RUNTIMES
    assert all(v.ms is not None for v in choice.verdicts if not v.reason)


def test_what_a_runtime_raises_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the last line of a traceback, which may say nothing."""
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text(
        "class Core:\n    def __init__(self):\n        raise TypeError('wrong driver\\nsee the manual')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    path = affine_model(tmp_path / "affine.onnx")
    feeds = [{"x": np.ones((1, 3), np.float32)}]
    with pytest.raises(ModelError, match="^TypeError: wrong driver see the manual$"):
        try_runtime(path, "openvino", feeds, threads=1, shapes=[(-1, 3)], cache_dir=tmp_path)


@pytest.mark.usefixtures("log_level")
def test_a_detector_is_tuned_for_real_time_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There it has one thread, and a start with a camera is not to measure anything any more."""
    asked: list[tuple[str, int]] = []

    def choose(store: ModelStore, name: str, *, threads: int = 0, again: bool = False) -> tuning.Choice:
        asked.append((name, threads))
        return tuning.Choice("onnxruntime")

    monkeypatch.delenv(tuning.RUNTIME_VARIABLE, raising=False)
    monkeypatch.setattr(tune, "choose", choose)
    monkeypatch.setattr(tune, "usable_cores", lambda: 2)
    assert main(["models", "tune", "posemo-detector", "posemo-lifter"]) == 0
    assert "posemo-detector, in real time, beside the keypoints: onnxruntime" in capsys.readouterr().out
    monkeypatch.setattr(tuning, "choose", choose)
    tuned_for, asked[:] = asked[:], []
    build_detector(Models(real_time=True), ModelStore())
    assert asked == [("posemo-detector", 1)]
    assert tuned_for == [("posemo-detector", 0), *asked, ("posemo-lifter", 0)]


def test_the_table_names_times_and_reasons() -> None:
    verdicts = (
        tuning.Verdict("onnxruntime", 10.0),
        tuning.Verdict("openvino", 4.0, "boxes overlap by 0.5 only; expected 0.98"),
        tuning.Verdict("tensorrt", None, "crashed (SIGSEGV)"),
    )
    lines = describe(tuning.Choice("onnxruntime", verdicts)).splitlines()
    assert lines[0] == "onnxruntime"
    assert [line.split()[0] for line in lines[1:]] == ["onnxruntime", "openvino", "tensorrt"]
    assert "10.0 ms" in lines[1]
    assert lines[2].endswith("expected 0.98")
    assert "-  crashed (SIGSEGV)" in lines[3]


def test_commands_say_what_the_first_use_waits_for(log_level: logging.Logger) -> None:
    """It takes seconds for every network; nodes say it in their log."""
    before = log_level.level
    assert main(["models", "list"]) == 0
    assert log_level.isEnabledFor(logging.INFO)
    log_level.setLevel(before)
    assert main(["--log-level", "error", "models", "list"]) == 0
    assert log_level.level == before
