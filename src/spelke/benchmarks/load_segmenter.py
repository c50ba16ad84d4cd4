"""From a name to a model that can be measured.

A name is one of `spelke bench models`, a checkpoint of ours (name or folder), or the place of a
class: `package.module:Class`, `package.module.Class` or `folder/file.py:Class`. Entry point:
`load_segmenter`.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from spelke.benchmarks.identity import digest_of, without_words
from spelke.benchmarks.segmenter import ForeignSegmenter, ImageRange, SegmentationModel
from spelke.benchmarks.segmenters.table import BUILT_IN, PUBLISHED_NAMES
from spelke.errors import BadModel, InvalidInput, SpelkeError, UnknownName
from spelke.runtime.device import choose_device


def load_segmenter(
    name: str,
    device: str | None = None,
    *,
    image_range: ImageRange | None = None,
    **options: Any,
) -> SegmentationModel:
    """Make a model by its name.

    Args:
        name: see the module. `name=path` gives a built-in model its weights, for example
            `sam=facebook/sam-vit-base`, and is short for the option `model_path`.
        device: given to the constructor where it has a parameter of this name; else a torch module
            is moved there; else, for "cuda:1", CUDA's current device is set. None takes the best
            that is here.
        image_range: how the pictures come, for a class that does not say so itself; without either
            they are uint8 in 0..255, as SpelkeBench's page says.
        options: for the constructor.

    Raises:
        UnknownName: no such built-in model, module or class.
        BadModel: the class has no `run_inference`, or importing or making it failed.
        InvalidInput: the options are not what its constructor takes.
        Unavailable: the device is not here.
    """
    if image_range is not None and image_range not in get_args(ImageRange):
        raise InvalidInput(
            f"image_range is {image_range!r}, accepted are {', '.join(get_args(ImageRange))}"
        )
    family, _, model_path = name.partition("=")
    if model_path and family in BUILT_IN:
        name, options = family, {**options, "model_path": model_path}
    built_in = BUILT_IN.get(name)
    if built_in is None and _is_place(name):
        return _of_class(name, _find_class(name), device, image_range, options)
    if image_range is not None:
        raise InvalidInput(f"image_range is for classes of yours; {name} knows its own")
    if built_in is None:
        built_in = BUILT_IN["checkpoint"]
        options = {"model_path": PUBLISHED_NAMES.get(name, name), **options}
    elif built_in.weights and "model_path" not in options:
        raise InvalidInput(
            f"{name} needs its weights; write {name}={built_in.weights}, with the folder or the "
            "name on the Hugging Face hub"
        )
    found = _find_class(built_in.place)
    return _make(built_in.place, found, device, {**built_in.options, **options})


def _is_place(name: str) -> bool:
    """Whether a name says where a class is, rather than which checkpoint."""
    is_path = os.sep in name.partition(":")[0] or Path(name).exists()
    return ":" in name or ("." in name and not is_path)


def _find_class(place: str) -> type:
    """Import `package.module:Class`, `package.module.Class` or `folder/file.py:Class`."""
    module_name, colon, class_name = place.rpartition(":")
    if not colon:
        module_name, _, class_name = place.rpartition(".")
    if not module_name or not class_name:
        raise UnknownName(f"{place!r} names no class; write package.module:Class")
    file = Path(module_name).resolve() if module_name.endswith(".py") else None
    if file:
        module_name = file.stem
    # Console scripts do not look into the working folder by themselves.
    found = _import(place, module_name, file.parent if file else Path.cwd())
    if file and Path(found.__file__ or "").resolve() != file:
        raise BadModel(
            f"{place}: Python finds another module {module_name} first, {found.__file__}; "
            "rename the file"
        )
    for part in class_name.split("."):
        if not hasattr(found, part):
            classes = sorted(n for n, v in vars(found).items() if inspect.isclass(v))
            raise UnknownName(
                f"{place}: {module_name} has no {class_name}; "
                f"its classes are {', '.join(classes) or 'none'}"
            )
        found = getattr(found, part)
    if not inspect.isclass(found):
        raise BadModel(f"{place} is a {type(found).__name__}, not a class; name the model's class")
    if not callable(getattr(found, "run_inference", None)):
        raise BadModel(
            f"{place} has no method run_inference(image, point); write one, or inherit from "
            "spelke.benchmarks.segmenter.SegmentationModel"
        )
    return found


def _import(place: str, module_name: str, folder: Path) -> Any:
    """Import a module, with its folder where Python looks, now and for what it imports later."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise UnknownName(
                f"{place}: there is no module {missing} in {folder} or among the installed "
                "packages; give package.module:Class, or folder/file.py:Class"
            ) from error
        raise BadModel(
            f"{place}: {module_name} needs the package {missing}, which is not installed"
        ) from error
    except SpelkeError:
        raise
    except Exception as error:
        raise BadModel(
            f"{place}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error


def _make(place: str, found: type, device: str | None, options: Mapping[str, Any]) -> Any:
    """Call a constructor with what it takes."""
    parameters = inspect.signature(found).parameters
    given = dict(options)
    if "device" in parameters:
        given["device"] = str(choose_device(device).device)
    try:
        inspect.signature(found).bind(**given)
    except TypeError as error:
        raise InvalidInput(
            f"{place} cannot be made with the options {sorted(options)}: {error}; "
            f"it takes {', '.join(parameters) or 'none'}"
        ) from error
    if "device" not in parameters and device is not None:
        _make_current(device)
    try:
        made = found(**given)
        if "device" not in parameters and device is not None and hasattr(made, "to"):
            made = made.to(device)
    except (SpelkeError, MemoryError):
        raise
    except Exception as error:
        raise BadModel(f"{place} could not be made: {type(error).__name__}: {error}") from error
    return made


def _make_current(device: str) -> None:
    """Let `.cuda()` in a class that takes no device mean the one that was asked for."""
    import torch

    chosen = choose_device(device).device
    if chosen.type == "cuda" and chosen.index is not None:
        torch.cuda.set_device(chosen)


def _of_class(
    place: str,
    found: type,
    device: str | None,
    image_range: ImageRange | None,
    options: Mapping[str, Any],
) -> SegmentationModel:
    """A user's class: made, named, and with an identity."""
    made = _make(place, found, device, options)
    said = getattr(made, "image_range", None)
    if said and image_range and said != image_range:
        raise InvalidInput(
            f"{place} says that its image_range is {said!r}, the option says {image_range!r}: "
            "leave the option out"
        )
    file = inspect.getsourcefile(found)
    source = without_words(Path(file).read_text(encoding="utf-8")) if file else place
    named = f"{found.__module__}.{found.__qualname__}"  # however the place was written
    identity = digest_of(named, source, sorted(options.items()), said or image_range)
    if isinstance(made, SegmentationModel):
        made.name = made.name or found.__name__
        made.identity = made.identity or identity
        return made
    return ForeignSegmenter(made, said or image_range or "uint8", found.__name__, identity)
