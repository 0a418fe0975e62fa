"""What a parameter is, how a node's parameters are declared, and which values they may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Union, cast

from ..errors import InputError

Value = Union[bool, int, float, str, tuple[str, ...]]


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name, default: The default gives the type.
        description: Meaning and unit, one sentence.
        minimum, maximum: Range of a number, both included; both or neither are given.
        choices: Allowed values of a string.
        live: True when it takes effect while the node runs; otherwise it is read once, before
            the node is configured.
    """

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False


def declared(
    default: Value,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    choices: tuple[str, ...] = (),
    live: bool = False,
) -> Any:
    """A field of a parameters class; see ``Parameter``."""
    documented = {"description": description, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={**documented, "choices": choices, "live": live})


@dataclass(frozen=True)
class Parameters:
    """What every node has."""

    autostart: bool = declared(
        True, "Configure and activate by itself at start; false leaves it to a lifecycle manager."
    )


def parameters_of(kind: type[Parameters]) -> dict[str, Parameter]:
    """The parameters of a class by name, in their order."""
    return {f.name: Parameter(f.name, cast(Value, f.default), **f.metadata) for f in fields(kind)}


def checked(parameter: Parameter, value: object) -> Value:
    """The value in the parameter's type: an integer where a double is wanted becomes one.

    Raises:
        InputError: The type, the range or the choice is wrong; says what is allowed.
    """
    found = _typed(parameter.default, value)
    if found is None:
        shown = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        raise InputError(
            f"parameter {parameter.name} is {shown!r}, {_type_name(value)}; it must be {allowed(parameter)}"
        )
    out_of_range = (
        parameter.minimum is not None
        and parameter.maximum is not None
        and isinstance(found, (int, float))
        and not parameter.minimum <= found <= parameter.maximum
    )
    if out_of_range or (parameter.choices and found not in parameter.choices):
        raise InputError(f"parameter {parameter.name} is {found!r}; it must be {allowed(parameter)}")
    return found


def _typed(default: Value, value: object) -> Value | None:
    if isinstance(default, bool) or isinstance(value, bool):
        return value if isinstance(default, bool) and isinstance(value, bool) else None
    if isinstance(default, float):
        return float(value) if isinstance(value, (int, float)) else None
    if isinstance(default, int):
        return value if isinstance(value, int) else None
    if isinstance(default, str):
        # YAML and command lines make an integer of a string such as camera 0.
        return str(value) if isinstance(value, (str, int)) else None
    strings = isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)
    return tuple(value) if strings else None  # type: ignore[arg-type]


def _type_name(value: object) -> str:
    names = ((bool, "a bool"), (int, "an integer"), (float, "a double"), (str, "a string"))
    for kind, name in names:
        if isinstance(value, kind):
            return name
    return "not set" if value is None else "an array"


def allowed(parameter: Parameter) -> str:
    """Type and range or choices in words."""
    if parameter.choices:
        return f"one of {', '.join(parameter.choices)}"
    kind = "an array of strings" if isinstance(parameter.default, tuple) else _type_name(parameter.default)
    if parameter.minimum is None:
        return kind
    return f"{kind} from {parameter.minimum:g} to {parameter.maximum:g}"
