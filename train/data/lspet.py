"""Leeds Sports Pose Extended (Johnson & Everingham, CVPR 2011), as stored in ../shared/data.

The 12 limb joints are labelled; the face is not (``complete`` is False there).
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np

from posemo_ros.errors import InputError

from .coco import read_json, xyxy
from .people import Person, Photo

FACE = tuple(range(5))


def read_shards(folder: Path, names: set[str]) -> dict[str, bytes]:
    """Encoded photos of the given shards (tar files), by file name.

    Raises:
        InputError: A shard is missing or broken.
    """
    photos: dict[str, bytes] = {}
    for name in sorted(names):
        try:
            with tarfile.open(folder / name) as archive:
                for member in archive:
                    data = archive.extractfile(member)
                    if data is not None:
                        photos[Path(member.name).name] = data.read()
        except (OSError, tarfile.TarError) as error:
            raise InputError(f"{folder / name}: cannot read this shard ({error})") from error
    return photos


def read_people(folder: Path, split: str, limit: int | None = None) -> list[Person]:
    """The labelled person of every photo of ``train`` or ``val``, at most ``limit`` of them."""
    images, entries = read_json(folder / f"{split}.json")
    entries = entries[:limit]
    photos = read_shards(folder, {images[int(a["image_id"])]["shard"] for a in entries})
    complete = np.ones(17, np.bool_)
    complete[list(FACE)] = False
    people = []
    for a in entries:
        name = images[int(a["image_id"])]["file_name"]
        head = np.array(a["neck_head_top"], np.float32).reshape(2, 3)
        people.append(
            Person(
                photo=Photo(name, photos[name]),
                box=xyxy(a["bbox"]),
                keypoints=np.array(a["keypoints"], np.float32).reshape(17, 3),
                area=float(a["area"]),
                complete=complete,
                outline=head[head[:, 2] > 0, :2],
                image_id=int(a["image_id"]),
                person_id=int(a["id"]),
                source="lspet",
            )
        )
    return people
