"""Networks of the transformers library with their published preprocessing, without torchvision.

Loading never executes code that comes with the weights, reads a folder or the local cache of the
Hugging Face hub where the files are there (`HF_HUB_OFFLINE=1` forbids the network), and accepts no
weights that leave a part of the network untrained. Entry points: `load_pretrained`, `pixels`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from spelke.benchmarks.identity import DIGITS
from spelke.errors import BadCheckpoint, InvalidInput, MissingData, MissingExtra

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What most networks subtract and divide by, of RGB in 0..1."""
HALF = (0.5, 0.5, 0.5)
"""What some use for both."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A network that is ready to be asked.

    Attributes:
        name: last part of its path or hub name.
        network: on its device, in float32, without gradients.
        dtype: number format of matrix products inside `autocast`.
        weights: hexadecimal digits that change with any of its tensors.
        processing: what its `preprocessor_config.json` says; empty without one.
    """

    name: str
    network: Any
    dtype: torch.dtype
    weights: str
    processing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Any:
        """The network's configuration."""
        return self.network.config

    def mean_std(
        self, mean: Sequence[float], std: Sequence[float]
    ) -> tuple[Sequence[float], Sequence[float]]:
        """What its pictures are normalised by: as its files say, else as given."""
        return self.processing.get("image_mean", mean), self.processing.get("image_std", std)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.device

    def autocast(self) -> AbstractContextManager:
        """The context in which the costly part of a network runs: products in `dtype`."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def load_pretrained(
    class_name: str,
    model_path: str,
    model_types: Sequence[str],
    device: str,
    dtype: str = "float32",
    unused: tuple[str, ...] = (),
) -> Pretrained:
    """Load a network of transformers.

    Args:
        class_name: of the transformers library.
        model_path: folder, or name on the Hugging Face hub.
        model_types: what `model_type` in its configuration may be.
        device: where it runs.
        dtype: number format of matrix products, a key of `DTYPES`; weights stay float32.
        unused: prefixes of tensors that may be absent, because nothing reads them.

    Raises:
        MissingExtra: transformers is not installed, or too old.
        MissingData: there are no such files.
        BadCheckpoint: weights of another network, or not all of them.
        InvalidInput: no such number format.
    """
    if dtype not in DTYPES:
        raise InvalidInput(f"dtype is {dtype!r}, accepted are {', '.join(DTYPES)}")
    transformers = _transformers(class_name)
    path = str(Path(model_path).expanduser()) if _is_folder(model_path) else model_path
    try:
        config = transformers.AutoConfig.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise MissingData(
            f"{model_path} is no folder and no cached or reachable name of the Hugging Face hub "
            f"with a network of transformers: {_first_line(error)}"
        ) from error
    if config.model_type not in model_types:
        raise BadCheckpoint(
            f"{model_path} holds a network of type {config.model_type!r}, "
            f"accepted are {', '.join(model_types)}"
        )
    network = _read_network(getattr(transformers, class_name), path, unused)
    weights = _digest_of(network.state_dict())
    network = network.to(device=torch.device(device), dtype=torch.float32)
    network.eval().requires_grad_(False)
    return Pretrained(Path(path).name, network, DTYPES[dtype], weights, _processing(path))


def pixels(
    image: UInt8[np.ndarray, "height width 3"],
    size: tuple[int, int],
    mean: Sequence[float],
    std: Sequence[float],
) -> Float[Tensor, "1 3 new_height new_width"]:
    """Scale a picture to `size` (height, width), as Pillow's antialiased bilinear, and normalise.

    This is what the published processors do in their Pillow form, in the same order: scale in 8
    bits, divide by 255, subtract the mean, divide by the standard deviation.
    """
    if image.shape[:2] != size:
        resized = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        image = np.asarray(resized)
    values = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    return (values - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def enlarge(
    maps: Float[Tensor, "*batch height width"], size: tuple[int, int]
) -> Float[Tensor, "*batch new_height new_width"]:
    """Scale maps bilinearly to `size`, as all of these networks' own post-processing does."""
    flat = maps.float().reshape(1, -1, *maps.shape[-2:])
    scaled = torch.nn.functional.interpolate(flat, size, mode="bilinear", align_corners=False)
    return scaled.reshape(*maps.shape[:-2], *size)


def _transformers(class_name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra(
            "this model needs the transformers library: pip install 'spelke[baselines]'"
        ) from error
    try:
        getattr(transformers, class_name)
    except (AttributeError, ImportError) as error:  # some of its classes want other packages
        raise MissingExtra(
            f"transformers {transformers.__version__} has no {class_name} that works here; "
            "pip install --upgrade 'spelke[baselines]'"
        ) from error
    return transformers


def _read_network(network_class: Any, path: str, unused: tuple[str, ...]) -> Any:
    from transformers.utils import logging

    shows_progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network, found = network_class.from_pretrained(path, dtype="auto", output_loading_info=True)
    except (OSError, RuntimeError, ValueError, SafetensorError, UnpicklingError) as error:
        raise BadCheckpoint(
            f"the weights in {path} cannot be read: {_first_line(error)}"
        ) from error
    finally:
        if shows_progress:
            logging.enable_progress_bar()
    absent = {*found["missing_keys"], *(str(key) for key in found["mismatched_keys"])}
    absent = sorted(key for key in absent if not key.startswith(unused))
    if absent:
        raise BadCheckpoint(
            f"{path} has no fitting weights for {len(absent)} tensors of "
            f"{network_class.__name__}, such as {absent[0]}: it is a checkpoint of something else"
        )
    return network


def _processing(path: str) -> dict[str, Any]:
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        return ImageProcessingMixin.get_image_processor_dict(path)[0]
    except OSError:
        return {}


def _digest_of(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key, value in sorted(tensors.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:DIGITS]


def _is_folder(path: str) -> bool:
    return Path(path).expanduser().is_dir()


def _first_line(error: Exception) -> str:
    return re.split(r"\n|(?<=[.!?])\s", str(error).strip(), maxsplit=1)[0]
