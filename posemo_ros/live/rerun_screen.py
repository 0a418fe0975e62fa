"""Moments for the rerun viewer: served on this machine, or written into an .rrd file.

The time line ``stamp`` is the images' stamps. Entities:

=======================================  =======================================================
``camera``                               the optical frame: x right, y down, z forward, metres
``camera/people/<id>/{joints,bones}``    3D skeletons
``camera/image``                         intrinsics and the picture, as far as it may be seen
``camera/image/people/<id>/…``           ``box``, ``keypoints`` and ``bones`` in pixels
``emotions/<id>``                        six probabilities; nothing where there is no answer
``latency/…``                            ``total`` and each station's work, milliseconds
``log``                                  warnings, and what the source does
=======================================  =======================================================

Everything below the id of somebody who left is cleared. Lens distortion is not shown: the viewer draws
the picture through a pinhole.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..draw import style
from ..draw.overlay import bone_side, in_a_word, opacity_of
from ..errors import InputError, MissingExtraError
from ..replay.mcap_file import set_aside
from ..skeleton import COCO17, H36M17, JointSet
from ..types import EMOTIONS, Emotions, EmotionStatus, Skeletons3D
from .moment import JPEG_QUALITY
from .pace import RUNNING
from .screen import MIN_SCORE, Moment

APPLICATION = "posemo"
TIMELINE = "stamp"
CAMERA, IMAGE, LATENCY, LOG = "camera", "camera/image", "latency", "log"
PEOPLE = "people"
EMOTION = "emotions"
KEPT = "256MiB"  # what the server keeps for who looks later; the oldest goes first
FLUSH_S = 1.0
CLASSES = {COCO17.name: 1, H36M17.name: 2}  # 0 is what nobody has named
JOINT_M, BONE_M = 0.02, 0.01

Colours = list[tuple[int, int, int, int]]


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise MissingExtraError("rerun-sdk", "rerun", "the rerun viewer") from error
    return rerun


class RerunScreen:
    """Logs moments to a sink of rerun's.

    Whoever looks is unknown, and who looks later gets what was shown before; so everything is logged.

    Args:
        title: The source.
        sink: Of the package ``rerun``.
    """

    viewers = 1

    def __init__(self, title: str, sink: Any) -> None:
        self._rr = _rerun()
        self._recording = self._rr.RecordingStream(APPLICATION)
        self._recording.set_sinks(sink, default_blueprint=_blueprint())
        self._recording.send_recording_name(title)
        self._recording.set_log_time_enabled(False)
        self._recording.set_log_tick_enabled(False)
        self._lens: tuple[float, ...] | None = None
        self._judged_ns: int | None = None
        self._said: tuple[str, ...] = ()
        self._stamp_ns: int | None = None
        self._flushed = time.monotonic()
        self._shown: dict[str, set[str]] = {}  # by place: who is there
        self._named: set[str] = set()
        self._name_joints()

    def show(self, moment: Moment) -> None:
        """Log what was found in an image.

        Raises:
            InputError: It cannot be written: the disk is full.
        """
        self._at(moment.people.stamp_ns)
        self._picture(moment)
        self._people(moment)
        self._latency(moment)
        self._say(moment.status)
        if moment.skeletons is not None:
            self._skeletons(moment.skeletons, moment.min_score)
        self._emotions(moment.emotions)
        if time.monotonic() - self._flushed > FLUSH_S:
            self._flush()

    def late(self, skeletons: Skeletons3D, emotions: Emotions | None) -> None:
        """Log what is known of an earlier image."""
        self._skeletons(skeletons, MIN_SCORE)
        self._emotions(emotions)

    def tell(self, status: Mapping[str, Any]) -> None:
        """Log how the chain does."""
        if self._stamp_ns is not None:
            self._at(self._stamp_ns)
        self._say(status)

    def close(self) -> None:
        """Hand over what is still due, and end.

        Raises:
            InputError: It cannot be written: the disk is full.
        """
        try:
            self._flush()
        finally:
            self._recording.disconnect()

    def _at(self, stamp_ns: int) -> None:
        self._stamp_ns = stamp_ns
        self._recording.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        try:
            self._recording.flush(timeout_sec=10.0)
        except RuntimeError as error:
            raise InputError(f"rerun cannot take any more: {error}") from error

    def _log(self, path: Iterable[str], *what: Any, static: bool = False) -> None:
        self._recording.log([*path], *what, static=static)

    # What stays ---------------------------------------------------------------------------------

    def _name_joints(self) -> None:
        rr = self._rr
        classes = [
            rr.ClassDescription(
                info=rr.AnnotationInfo(id=CLASSES[joints.name], label=joints.name),
                keypoint_annotations=[
                    rr.AnnotationInfo(id=number, label=name) for number, name in enumerate(joints.joints)
                ],
            )
            for joints in (COCO17, H36M17)
        ]
        self._log([CAMERA], rr.ViewCoordinates.RDF, static=True)
        self._log([CAMERA], rr.AnnotationContext(classes), static=True)

    def _name_series(self, track_id: str) -> None:
        if track_id in self._named:
            return
        self._named.add(track_id)
        lines = self._rr.SeriesLines(
            colors=[_rgba(style.EMOTION_COLOURS[name]) for name in EMOTIONS],
            names=[f"{track_id} {name}" for name in EMOTIONS],
        )
        self._log([EMOTION, track_id], lines, static=True)

    # The image ----------------------------------------------------------------------------------

    def _picture(self, moment: Moment) -> None:
        rr, camera = self._rr, moment.people.view.camera
        lens = None if camera is None else (camera.width, camera.height, *camera.matrix.ravel().tolist())
        if camera is not None and lens != self._lens:
            self._lens = lens
            pinhole = rr.Pinhole(
                image_from_camera=camera.matrix,
                resolution=[camera.width, camera.height],
                camera_xyz=rr.ViewCoordinates.RDF,
                image_plane_distance=0.5,
            )
            self._log(IMAGE.split("/"), pinhole)
        _, data = cv2.imencode(".jpg", moment.ground, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        self._log(IMAGE.split("/"), rr.EncodedImage(contents=data.tobytes(), media_type="image/jpeg"))

    def _people(self, moment: Moment) -> None:
        rr, people = self._rr, moment.people
        self._clear_others([*IMAGE.split("/"), PEOPLE], people.ids)
        for track_id, box, keypoints in zip(people.ids, people.boxes, people.keypoints, strict=True):
            path = [*IMAGE.split("/"), PEOPLE, track_id]
            own = style.person_colour(track_id)
            frame = rr.Boxes2D(
                array=box[None],
                array_format=rr.Box2DFormat.XYXY,
                colors=_rgba(own),
                labels=_label(track_id, moment.emotions),
            )
            self._log([*path, "box"], frame)
            sides = [style.side_colour(bone_side(a, b), own) for a, b in COCO17.bones]
            shape = _Shape(COCO17, keypoints[:, :2], keypoints[:, 2], moment.min_score, own, sides)
            self._shape(path, "keypoints", shape, rr.Points2D, rr.LineStrips2D, (3.0, 1.5))

    def _skeletons(self, skeletons: Skeletons3D, least: float) -> None:
        rr = self._rr
        self._at(skeletons.stamp_ns)
        self._clear_others([CAMERA, PEOPLE], skeletons.ids)
        for track_id, joints, scores in zip(skeletons.ids, skeletons.joints, skeletons.scores, strict=True):
            own = style.person_colour(track_id)
            sides = [style.side_colour(H36M17.side(b), own) for _, b in H36M17.bones]
            shape = _Shape(H36M17, joints, scores, least, own, sides)
            path = [CAMERA, PEOPLE, track_id]
            self._shape(path, "joints", shape, rr.Points3D, rr.LineStrips3D, (JOINT_M, BONE_M))

    def _shape(
        self, path: list[str], name: str, shape: _Shape, points: Any, lines: Any, radii: tuple[float, float]
    ) -> None:
        seen = shape.seen
        numbers = np.flatnonzero(seen)
        found = points(
            shape.points[seen],
            colors=shape.joint_colours(),
            radii=radii[0],
            keypoint_ids=numbers,
            class_ids=np.full(len(numbers), CLASSES[shape.joints.name]),
            show_labels=False,
        )
        self._log([*path, name], found, self._rr.AnyValues(score=shape.scores[seen].astype(np.float32)))
        strips = [shape.points[[a, b]] for a, b, _ in shape.bones()]
        self._log([*path, "bones"], lines(strips, colors=[c for *_, c in shape.bones()], radii=radii[1]))

    # Numbers ------------------------------------------------------------------------------------

    def _emotions(self, emotions: Emotions | None) -> None:
        """At the stamp of the skeletons that they are about; each once."""
        if emotions is None or emotions.stamp_ns == self._judged_ns:
            return
        self._judged_ns = emotions.stamp_ns
        self._at(emotions.stamp_ns)
        rows = [row for row, status in enumerate(emotions.status) if status is EmotionStatus.VALID]
        self._clear_others([EMOTION], [emotions.ids[row] for row in rows])
        for row in rows:
            self._name_series(emotions.ids[row])
            self._log([EMOTION, emotions.ids[row]], self._rr.Scalars(emotions.probabilities[row]))

    def _latency(self, moment: Moment) -> None:
        for station, ms in {**moment.work_ms, "total": moment.latency_ms}.items():
            if np.isfinite(ms):
                self._log([LATENCY, station], self._rr.Scalars(float(ms)))

    def _say(self, status: Mapping[str, Any]) -> None:
        state = () if status["state"] == RUNNING else (f"the source: {status['state']}",)
        words = (*state, *status["warnings"])
        for text in words:
            if text not in self._said:
                self._log([LOG], self._rr.TextLog(text, level="INFO" if text in state else "WARN"))
        self._said = words

    def _clear_others(self, place: list[str], ids: Iterable[str]) -> None:
        """Whoever was there before and is not now is gone."""
        key, now = "/".join(place), set(ids)
        for track_id in sorted(self._shown.get(key, set()) - now):
            self._log([*place, track_id], self._rr.Clear(recursive=True))
        self._shown[key] = now


class RerunFile(RerunScreen):
    """Writes an .rrd file; until it is whole it is called ``<name>.part``.

    Args:
        title: The source.
        path: The file; it must not exist.

    Raises:
        InputError: The file exists, is being written by somebody else, or cannot be made.
        MissingExtraError: rerun-sdk is not installed.
    """

    def __init__(self, title: str, path: Path) -> None:
        if path.suffix != ".rrd":
            raise InputError(f"{path}: rerun's files end in .rrd")
        if path.exists():
            raise InputError(f"{path} exists already; remove it or choose another name")
        sink = _rerun().FileSink
        self._path, self._part = path, path.with_name(path.name + ".part")
        try:
            set_aside(self._part)
            self._lock = self._part.open("xb")
        except OSError as error:
            raise InputError(f"{self._part} cannot be written ({error.strerror})") from error
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        super().__init__(title, sink(self._part))

    def close(self) -> None:
        """Complete the file."""
        try:
            super().close()
        finally:
            self._lock.close()
        self._part.replace(self._path)


class RerunServer(RerunScreen):
    """Serves the newest ``KEPT`` to rerun viewers.

    Args:
        title: The source.
        host: Address or name to listen on; only the loopback address keeps others out.
        port: Port; 0: any free one.

    Attributes:
        url: What a viewer connects to: ``rerun URL``.

    Raises:
        InputError: The address cannot be listened on.
        MissingExtraError: rerun-sdk is not installed.
    """

    def __init__(self, title: str, host: str, port: int) -> None:
        sink = _rerun().GrpcServerSink
        address, port = _free(host, port)
        made = sink(address, port, server_memory_limit=KEPT)
        self.url = str(made.uri).replace("//0.0.0.0:", "//127.0.0.1:")
        super().__init__(title, made)


def _free(host: str, port: int) -> tuple[str, int]:
    """The address and port that can be listened on; rerun itself only logs that it cannot.

    Raises:
        InputError: It is taken, or not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found)
            address, number = probe.getsockname()
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; "
            "another port (0 takes any free one) or address may be free"
        ) from error
    return str(address), int(number)


class _Shape:
    """The points of a person that are sure enough, and the bones between them.

    Args:
        joints: What the points are.
        points: (J, 2) pixels or (J, 3) metres.
        scores: (J,).
        least: Points below this score are left out.
        own: BGR of the person.
        bones: BGR of each bone.
    """

    def __init__(
        self,
        joints: JointSet,
        points: NDArray[np.float32],
        scores: NDArray[np.float32],
        least: float,
        own: style.Colour,
        bones: list[style.Colour],
    ) -> None:
        self.joints, self.points, self.scores = joints, points, scores
        self.seen = np.isfinite(points).all(axis=1) & (scores >= least)
        self._own, self._sides = own, bones

    def joint_colours(self) -> Colours:
        return [
            _rgba(style.side_colour(self.joints.side(int(j)), self._own), opacity_of(self.scores[j]))
            for j in np.flatnonzero(self.seen)
        ]

    def bones(self) -> list[tuple[int, int, tuple[int, int, int, int]]]:
        return [
            (a, b, _rgba(colour, opacity_of(min(self.scores[a], self.scores[b]))))
            for (a, b), colour in zip(self.joints.bones, self._sides, strict=True)
            if self.seen[a] and self.seen[b]
        ]


def _rgba(colour: style.Colour, opacity: float = 1.0) -> tuple[int, int, int, int]:
    blue, green, red = colour
    return red, green, blue, round(255 * opacity)


def _label(track_id: str, emotions: Emotions | None) -> str:
    if emotions is None or track_id not in emotions.ids:
        return track_id
    return f"{track_id}  {in_a_word(emotions, emotions.ids.index(track_id))}"


def _blueprint() -> Any:
    """Picture and warnings on the left, skeletons and numbers on the right."""
    import rerun.blueprint as rrb

    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(
                rrb.Spatial2DView(origin=IMAGE, name="image"),
                rrb.TextLogView(origin=LOG, name="log"),
                row_shares=[4, 1],
            ),
            rrb.Vertical(
                rrb.Spatial3DView(
                    origin=CAMERA, contents=["$origin/**", f"- {IMAGE}/{PEOPLE}/**"], name="skeletons"
                ),
                rrb.TimeSeriesView(origin=EMOTION, name="emotions"),
                rrb.TimeSeriesView(origin=LATENCY, name="latency [ms]"),
                row_shares=[2, 1, 1],
            ),
        ),
        rrb.TimePanel(state="collapsed", timeline=TIMELINE),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
    )
