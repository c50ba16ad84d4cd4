"""Any picture as one kind of tensor: `(3, height, width)` float32, RGB, in [0, 1].

Files are decoded by Pillow; OpenCV decodes what Pillow would cut to 8 bits (PNG and TIFF with 16
bits a channel in colour). Values are taken as sRGB; embedded colour profiles are not applied. Of an
animation or a multi-page file the first picture is read.
Entry points: `read_image`, `decode_image`, `find_images`.
"""

from __future__ import annotations

import os
import warnings
from glob import glob, has_magic
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from spelke.data.deep_image import is_deep, is_tiff, orientation_left, read_deep
from spelke.errors import BadFile, InvalidInput, MissingData, SpelkeError

ImageSource: TypeAlias = str | os.PathLike[str] | Image.Image | np.ndarray | Tensor
"""What `read_image` takes."""

MAX_PIXELS = 2**26
"""Largest picture read unless more is asked for: 67 megapixels, 0.8 GB as float32."""

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tif", ".tiff", ".webp"}
)
"""Endings by which `find_images` knows a picture in a folder (in any case)."""

_TOLERANCE = 1e-3
"""How far a float may leave [0, 1] by rounding; it is then clamped."""


def read_image(
    source: ImageSource,
    *,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
    max_pixels: int = MAX_PIXELS,
) -> Float[Tensor, "3 height width"]:
    """Read a picture from wherever it is.

    Args:
        source: a path; a PIL image; a numpy array of `(height, width)` (grey) or `(height, width,
            channels)`; a tensor of `(channels, height, width)`. Arrays and tensors are uint8,
            uint16, or floats in [0, 1], with 1 (grey), 3 (RGB) or 4 (RGB and alpha) channels. A
            file's EXIF orientation is applied.
        background: RGB in [0, 1] on which transparent pixels are laid; white unless given.
        max_pixels: largest accepted `height * width`, against files that unpack to fill memory.

    Returns:
        A new tensor that shares no memory with `source`, on the CPU (a tensor stays on its device).

    Raises:
        MissingData: the file does not exist.
        BadFile: the file is a folder, empty, truncated, or not a picture.
        InvalidInput: the picture is too large, or an array's kind, shape or range is not accepted.
    """
    if isinstance(source, Tensor):
        values, alpha = _split_tensor(source, max_pixels)
    elif isinstance(source, np.ndarray):
        values, alpha = _split_array(source, max_pixels)
    elif isinstance(source, Image.Image):
        values, alpha = _split_array(_array_of(source, "the PIL image", max_pixels), max_pixels)
    elif isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        values, alpha = _split_array(_decode(read_bytes(path), str(path), max_pixels), max_pixels)
    else:
        raise InvalidInput(
            f"cannot read an image from {type(source).__name__}; give a path, a PIL image, a "
            "(height, width, channels) numpy array or a (channels, height, width) tensor"
        )
    if alpha is not None:
        behind = torch.tensor(background, device=values.device)[:, None, None]
        values = values * alpha + behind * (1 - alpha)
    return values.expand(3, -1, -1).contiguous()


def decode_image(data: bytes, name: str) -> Float[Tensor, "3 height width"]:
    """Decode the bytes of a picture file; `name` is for messages. See `read_image` for the rest."""
    return read_image(_decode(data, name, MAX_PIXELS))


def read_bytes(path: Path) -> bytes:
    """Read the bytes of a picture file.

    Raises:
        MissingData: the file does not exist. BadFile: it is a folder, or cannot be read.
    """
    if not path.exists():
        raise MissingData(f"there is no image {path}; check the name (from {Path.cwd()})")
    if path.is_dir():
        raise BadFile(f"{path} is a folder, not an image; name a file in it")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror}") from error


def find_images(paths: str | os.PathLike[str] | list[str | os.PathLike[str]]) -> list[Path]:
    """List the picture files that are meant by files, folders and glob patterns, without repeats.

    A named file is taken as it is. A folder gives the pictures directly inside it, in the order of
    their names; a pattern (`photos/**/*.jpg`) what it matches. Hidden files are left out.

    Raises:
        MissingData: a path does not exist, or a folder or pattern holds no picture.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    found = [file for path in paths for file in _find(Path(path).expanduser())]
    return list(dict.fromkeys(found))


def _find(path: Path) -> list[Path]:
    """The pictures that one path means."""
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = path.iterdir()
    elif has_magic(str(path)):
        inside = (Path(name) for name in glob(str(path), recursive=True))
    else:
        raise MissingData(f"there is no file or folder {path}; check the name (from {Path.cwd()})")
    files = sorted(file for file in inside if _is_picture_name(file) and file.is_file())
    if not files:
        what = "folder" if path.is_dir() else "pattern"
        raise MissingData(
            f"the {what} {path} holds no pictures; known endings are "
            + " ".join(sorted(IMAGE_SUFFIXES))
        )
    return files


def _is_picture_name(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _decode(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    """A file as a (height, width, channels) or (height, width) array of uint8, uint16 or float."""
    if not data:
        raise BadFile(f"{name} is empty (0 bytes); copy or download it again")
    try:
        with warnings.catch_warnings():
            # The size is checked against our own limit below; what else Pillow warns about
            # (broken EXIF blocks, palettes with byte transparency) does not touch the pixels.
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data)) as image:
                array = _array_of(image, name, max_pixels)
                if is_deep(image, data):
                    array = read_deep(data, name, orientation_left(image))
                return array
    except (SpelkeError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        if is_tiff(data):
            return read_deep(data, name)
        raise BadFile(
            f"{name} is not an image that can be read (PNG, JPEG, WebP, TIFF, BMP, GIF, …)"
        ) from error
    except Image.DecompressionBombError as error:
        raise InvalidInput(f"{name} is too large: {error}; resize it first") from error
    except Exception as error:  # decoders raise anything on broken data
        raise BadFile(_corrupt(name, error)) from error


def _corrupt(name: str, error: Exception) -> str:
    return f"{name} is truncated or corrupt ({error}); copy or download it again"


def _array_of(image: Image.Image, name: str, max_pixels: int) -> np.ndarray:
    """The pixels of a PIL image, upright, as grey, RGB or RGBA."""
    _check_size(image.height, image.width, max_pixels, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            image = ImageOps.exif_transpose(image)
            return _channels_of(image)
    except (SpelkeError, MemoryError):
        raise
    except Exception as error:
        raise BadFile(_corrupt(name, error)) from error


def _channels_of(image: Image.Image) -> np.ndarray:
    """The pixels of a loaded PIL image of any mode as grey, RGB or RGBA."""
    if image.mode == "F":
        return np.asarray(image)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InvalidInput(
                f"a grey image of 32-bit integers from {values.min()} to {values.max()} has no "
                "known range; save it with 8 or 16 bits"
            )
        return values.astype(np.uint16)
    if image.mode == "1":
        image = image.convert("L")
    has_alpha = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    if has_alpha:
        # Premultiplied modes convert only to their own kind first.
        image = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode))
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def _split_array(array: np.ndarray, max_pixels: int) -> tuple[Tensor, Tensor | None]:
    """Colour (1 or 3, height, width) and alpha (1, height, width) of an array, in [0, 1]."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = ": in a numpy array channels come last; use `image.transpose(1, 2, 0)`"
        raise InvalidInput(
            "expected an array of (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, got {array.shape}{hint}"
        )
    _check_size(array.shape[0], array.shape[1], max_pixels, "the array")
    planes = array.transpose(2, 0, 1)
    return _split_channels(torch.from_numpy(_unit_range(planes)))


def _split_tensor(tensor: Tensor, max_pixels: int) -> tuple[Tensor, Tensor | None]:
    """Colour and alpha of a (channels, height, width) tensor, in [0, 1]."""
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4):
        hint = ""
        if tensor.ndim == 3 and tensor.shape[2] in (1, 3, 4):
            hint = ": in a tensor channels come first; use `image.permute(2, 0, 1)`"
        if tensor.ndim == 4:
            hint = ": give one image of the batch, `images[0]`"
        raise InvalidInput(
            "expected a tensor of (channels, height, width) with 1, 3 or 4 channels, got "
            f"{tuple(tensor.shape)}{hint}"
        )
    _check_size(tensor.shape[1], tensor.shape[2], max_pixels, "the tensor")
    plain = tensor.detach().cpu()
    # numpy has no bfloat16
    plain = plain.float() if plain.is_floating_point() else plain
    return _split_channels(torch.from_numpy(_unit_range(plain.numpy())).to(tensor.device))


def _split_channels(planes: Tensor) -> tuple[Tensor, Tensor | None]:
    return (planes[:3], planes[3:]) if planes.shape[0] == 4 else (planes, None)


def _unit_range(planes: np.ndarray) -> np.ndarray:
    """A new float32 array with the values of an image as numbers in [0, 1]."""
    if planes.dtype in (np.uint8, np.uint16):
        # Sorted into planes as bytes, which is several times faster than as floats.
        top = np.float32(np.iinfo(planes.dtype).max)
        return np.divide(np.ascontiguousarray(planes), top, dtype=np.float32)
    if not np.issubdtype(planes.dtype, np.floating):
        raise InvalidInput(
            f"an image has values of uint8, uint16 or floats in [0, 1], got {planes.dtype}; "
            "convert it with `.astype(numpy.uint8)` if its values are 0 to 255"
        )
    low, high = float(planes.min()), float(planes.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise InvalidInput("the image holds NaN or infinite values; replace them first")
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        remedy = "divide by 255" if low >= 0 and high <= 255 else "rescale it"
        raise InvalidInput(
            f"a float image has values in [0, 1], got {low:g} to {high:g}; {remedy} first"
        )
    return np.clip(planes, 0, 1).astype(np.float32)


def _check_size(height: int, width: int, max_pixels: int, name: str) -> None:
    if height < 1 or width < 1:
        raise InvalidInput(f"{name} has no pixels: it is {width} x {height} (width x height)")
    if height * width > max_pixels:
        raise InvalidInput(
            f"{name} is too large: {width} x {height} = {height * width / 1e6:.1f} megapixels, "
            f"accepted are {max_pixels / 1e6:.1f}; resize it, or raise max_pixels"
        )
