"""Configuration dataclasses to plain JSON values and back, strictly.

Unknown keys, missing keys and values of another kind are refused: a checkpoint that says something
we do not understand would otherwise run with the wrong network.
"""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from spelke.errors import BadCheckpoint
from spelke.weights.nearest import did_you_mean


def to_plain(config: Any) -> dict[str, Any]:
    """A configuration, with those nested in it, as JSON values."""
    return _plain(dataclasses.asdict(config))


def from_plain(cls: type[Any], values: object, where: str) -> Any:
    """Build the dataclass `cls` from JSON values.

    Args:
        cls: a dataclass whose fields are numbers, strings, tuples, None or such dataclasses.
        values: what the JSON file holds.
        where: file and section, for messages.

    Raises:
        BadCheckpoint: a key is unknown or missing, a value is of another kind, or the dataclass
            itself refuses the values.
    """
    if not isinstance(values, dict):
        raise BadCheckpoint(f"{where} must be an object, got {_kind(values)}")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in values:
        if key not in fields:
            raise BadCheckpoint(
                f"{where} holds the unknown key {key!r}; {did_you_mean(key, fields)}"
                f"known keys are {', '.join(fields)}. It was perhaps written by another version"
            )
    missing = [name for name, field in fields.items() if name not in values and _needed(field)]
    if missing:
        raise BadCheckpoint(
            f"{where} lacks {', '.join(map(repr, missing))}; copy the checkpoint again from its "
            "source"
        )
    found = {name: _value(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    try:
        return cls(**found)
    except ValueError as error:
        raise BadCheckpoint(f"{where} describes no possible network: {error}") from error


def _needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _value(hint: Any, value: Any, where: str) -> Any:
    """One JSON value as the annotation wants it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _alternative(arguments, value, where)
    if origin is Literal:
        return value if value in arguments else _refuse(hint, value, where)
    if origin is tuple:
        return _tuple(arguments, value, where)
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, where)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is an int to Python, not to a reader.
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        return _refuse(hint, value, where)
    return value


def _alternative(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    choices = [hint for hint in arguments if hint is not type(None)]
    for hint in choices[:-1]:
        try:
            return _value(hint, value, where)
        except BadCheckpoint:
            continue
    return _value(choices[-1], value, where)


def _tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        return _refuse("a list", value, where)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        return _refuse(f"a list of {len(arguments)} values", value, where)
    pairs = zip(arguments, value, strict=True)
    return tuple(_value(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(pairs))


def _refuse(hint: Any, value: Any, where: str) -> Any:
    wanted = getattr(hint, "__name__", str(hint))
    raise BadCheckpoint(f"{where} must be {wanted}, got {_kind(value)} {value!r}")


def _kind(value: object) -> str:
    return type(value).__name__
