"""Random cameras around a person."""

from __future__ import annotations

import numpy as np

from .body import Floats, rotation_matrix

# World (x forward, y left, z up) to a level camera that looks along +x (x right, y down, z forward).
LEVEL = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], np.float32)


ANYWHERE = (8.0, 14.0)
ON_A_ROBOT = (6.0, 8.0)  # level, or turned towards people near by


def random_poses(
    rng: np.random.Generator, count: int, above: tuple[float, float] = ANYWHERE
) -> tuple[Floats, Floats]:
    """Where cameras stand and look.

    All directions around the person, from 25 degrees below to 50 above, 1.8 to 8 m away; the
    person is up to 30 degrees off the axis; roll of a few degrees.

    Args:
        rng: Source of chance.
        count: B.
        above: Mean and standard deviation of the camera's elevation over the person, degrees.

    Returns:
        rotation: (B, 3, 3) world to camera axes.
        position: (B, 3) of the camera, metres from the person's pelvis.
    """
    yaw = rng.uniform(-np.pi, np.pi, count)
    elevation = np.radians(np.clip(rng.normal(*above, count), -25, 50))
    return _looking(rng, yaw, elevation, np.exp(rng.uniform(np.log(1.8), np.log(8.0), count)))


def robot_poses(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Cameras 0.3 to 2 m above the floor, 1 to 7 m away from people whose pelvis is 0.5 to 1 m high.

    Args and results: see ``random_poses``.
    """
    distance = np.exp(rng.uniform(np.log(1.0), np.log(7.0), count))
    higher = rng.uniform(0.3, 2.0, count) - rng.uniform(0.5, 1.0, count)
    yaw = rng.uniform(-np.pi, np.pi, count)
    return _looking(rng, yaw, np.arctan2(higher, distance), np.hypot(higher, distance))


def _looking(
    rng: np.random.Generator, yaw: np.ndarray, elevation: np.ndarray, distance: np.ndarray
) -> tuple[Floats, Floats]:
    """From these sides (B,), so many radians above the person, so many metres away."""
    count = len(yaw)
    zero = np.zeros(count)
    about_z = rotation_matrix(np.stack([zero, zero, yaw], -1))
    about_y = rotation_matrix(np.stack([zero, elevation, zero], -1))
    looking = about_z @ about_y  # turns +x into the viewing direction, downwards for cameras above
    position = -looking[:, :, 0] * distance[:, None].astype(np.float32)
    off_axis = rotation_matrix(
        np.stack(
            [
                np.radians(np.clip(rng.normal(0, 8, count), -20, 20)),
                np.radians(rng.uniform(-30, 30, count)),
                np.radians(rng.normal(0, 3, count)),
            ],
            -1,
        )
    )
    return off_axis @ LEVEL @ np.swapaxes(looking, -1, -2), position.astype(np.float32)


def see(points: Floats, rotation: Floats, position: Floats) -> Floats:
    """World points in the camera's frame.

    Args:
        points: (B, ..., 3).
        rotation: (B, 3, 3).
        position: (B, 3).

    Returns:
        (B, ..., 3) metres, x right, y down, z forward.
    """
    between = (1,) * (points.ndim - 2)
    moved = points - position.reshape(-1, *between, 3)
    turned = moved @ np.swapaxes(rotation, -1, -2).reshape(-1, *between[:-1], 3, 3)
    return np.asarray(turned, points.dtype)
