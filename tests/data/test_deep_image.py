"""Sixteen bits of colour survive, and are turned upright like eight."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import torch

from spelke.data.image import read_image
from spelke.errors import BadFile

HEIGHT, WIDTH = 6, 8


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_of_colour_are_kept(tmp_path, rng, name):
    deep = rng.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
    expected = torch.from_numpy(deep.astype(np.float32) / 65535).permute(2, 0, 1)
    torch.testing.assert_close(read_image(tmp_path / name), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("channels", [4, 3])
def test_a_deep_png_is_turned_upright(tmp_path, rng, channels, upright):
    deep = rng.integers(0, 65536, (HEIGHT, WIDTH, channels), dtype=np.uint16)
    if channels == 4:
        deep[..., 3] = 65535
    encoded = cv2.imencode(".png", deep)[1].tobytes()
    path = tmp_path / "a.png"
    for orientation in range(1, 9):
        path.write_bytes(_with_orientation(encoded, orientation))
        picture = upright(deep[..., 2::-1].astype(np.float32) / 65535, orientation)
        expected = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
        torch.testing.assert_close(read_image(path), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_is_turned_upright(tmp_path, rng, orientation, upright):
    deep = rng.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    (tmp_path / "a.tif").write_bytes(_tiff(deep, orientation))
    picture = np.ascontiguousarray(upright(deep.astype(np.float32) / 65535, orientation))
    expected = torch.from_numpy(picture).permute(2, 0, 1)
    torch.testing.assert_close(read_image(tmp_path / "a.tif"), expected, rtol=0, atol=1e-6)


def _tiff(pixels, orientation):
    """An uncompressed RGB TIFF of 16 bits a channel."""
    height, width, _ = pixels.shape
    start = 8 + 2 + 10 * 12 + 4
    short, long = 3, 4
    entries = [
        (256, short, 1, width),
        (257, short, 1, height),
        (258, short, 3, start),
        (259, short, 1, 1),
        (262, short, 1, 2),
        (273, long, 1, start + 6),
        (274, short, 1, orientation),
        (277, short, 1, 3),
        (278, short, 1, height),
        (279, long, 1, pixels.nbytes),
    ]
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return head + table + b"\0" * 4 + struct.pack("<3H", 16, 16, 16) + pixels.tobytes()


def _with_orientation(png, orientation):
    """A PNG with an eXIf chunk before its pixels."""
    body = b"eXIf" + b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"
    body += struct.pack("<HH", orientation, 0) + b"\0" * 4
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_deep_file_is_never_read_as_if_whole(tmp_path, rng, name, share):
    noise = rng.integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    data = cv2.imencode(name[1:], noise)[1].tobytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadFile, match="truncated"):
        read_image(tmp_path / name)
