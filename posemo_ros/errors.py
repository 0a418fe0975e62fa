"""Errors that say what was wrong, what was expected and what to do."""

from __future__ import annotations

import errno


def is_disk_full(error: BaseException | None) -> bool:
    """Whether there was no space left, or no quota, however a library has wrapped it."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


class PosemoError(Exception):
    """Base of all errors that posemo_ros raises on purpose."""


def reason(error: BaseException) -> str:
    """Why something failed, in one line; without the path, which the caller names."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeError):
        return "it is no text in UTF-8"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return " ".join(str(error).split()) or type(error).__name__


class InputError(PosemoError, ValueError):
    """Data from outside (image, camera, video, bag, clip file) cannot be used."""


class ModelError(PosemoError):
    """A model, its manifest entry or its runtime cannot be used."""


class MissingExtraError(PosemoError, ImportError):
    """An optional package is needed for what was asked.

    The message names the package and the extra of posemo_ros that installs it.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed; "
            f"install it with: pip install 'posemo_ros[{extra}]'"
        )


class MissingPackageError(PosemoError, ImportError):
    """A ROS package that is not installed is needed for what was asked.

    The message names the package and the system package that brings it.
    """

    def __init__(self, package: str, installed_as: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the ROS package '{package}', which is not installed or not sourced; "
            f"install it with: sudo apt install {installed_as}"
        )
