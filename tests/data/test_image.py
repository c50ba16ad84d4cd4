"""Every kind of picture becomes the same tensor; what is none says so."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from spelke.data.image import find_images, read_image
from spelke.errors import BadFile, InvalidInput, MissingData

HEIGHT, WIDTH = 6, 8


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def _expected(array):
    """An HWC array of bytes as the tensor that it should become."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1) / 255


def _save(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


# --- what is accepted ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "no_ending"])
def test_a_file_without_loss_gives_its_pixels(tmp_path, pixels, name):
    path = tmp_path / name
    Image.fromarray(pixels).save(path, format=None if "." in name else "PNG")
    image = read_image(path)
    assert image.dtype == torch.float32
    assert image.shape == (3, HEIGHT, WIDTH)
    assert torch.equal(image, _expected(pixels))
    assert torch.equal(read_image(str(path)), image)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_a_file_with_loss_is_near(tmp_path, name):
    flat = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), np.uint8)
    path = _save(tmp_path, Image.fromarray(flat), name, quality=95)
    assert (read_image(path) - _expected(flat)).abs().max() < 0.03


def test_all_ways_to_hand_in_a_picture_agree(tmp_path, pixels):
    expected = _expected(pixels)
    sources = [
        _save(tmp_path, Image.fromarray(pixels), "a.png"),
        Image.fromarray(pixels),
        pixels,
        pixels.astype(np.uint16) * 257,
        pixels.astype(np.float32) / 255,
        pixels.astype(np.float64) / 255,
        torch.from_numpy(pixels).permute(2, 0, 1),
        expected,
        expected.double().requires_grad_(),
    ]
    for source in sources:
        torch.testing.assert_close(read_image(source), expected)


def test_half_precision_is_read():
    half = torch.full((3, 2, 2), 0.5, dtype=torch.bfloat16)
    assert read_image(half).dtype == torch.float32
    assert (read_image(half) == 0.5).all()


def test_the_result_shares_no_memory_with_its_source(pixels):
    for source in (pixels / np.float32(255), _expected(pixels)):
        before = read_image(source)
        read_image(source).zero_()
        assert torch.equal(read_image(source), before)


def test_grey_becomes_three_equal_channels(tmp_path, pixels):
    grey = pixels[..., 0]
    expected = _expected(grey[..., None].repeat(3, 2))
    path = _save(tmp_path, Image.fromarray(grey), "a.png")
    for source in (path, grey, grey[..., None], torch.from_numpy(grey)[None]):
        assert torch.equal(read_image(source), expected)


def test_one_bit_is_black_and_white(tmp_path):
    bits = Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")
    assert torch.equal(read_image(_save(tmp_path, bits, "a.png"))[0], torch.eye(8))


def test_a_palette_is_looked_up(tmp_path, pixels):
    palette = Image.fromarray(pixels).quantize(64)
    expected = _expected(np.array(palette.convert("RGB")))
    assert torch.equal(read_image(_save(tmp_path, palette, "a.png")), expected)
    assert torch.equal(read_image(_save(tmp_path, palette, "a.gif")), expected)


def test_sixteen_bits_of_grey_are_kept(tmp_path):
    deep = np.array([[0, 1, 256, 65535]], np.uint16)
    expected = torch.tensor([[0, 1, 256, 65535]]) / 65535
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), deep)
        torch.testing.assert_close(read_image(tmp_path / name)[1], expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(read_image(deep)[1], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_camera_was_held_as_its_exif_says(tmp_path, pixels, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _save(tmp_path, Image.fromarray(pixels), "a.png", exif=exif)
    assert torch.equal(read_image(path), _expected(upright(pixels, orientation)))


def test_transparent_pixels_show_the_background(tmp_path):
    array = np.zeros((1, 3, 4), np.uint8)
    array[0] = [(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 51)]
    path = _save(tmp_path, Image.fromarray(array), "a.png")
    for source in (path, array, torch.from_numpy(array).permute(2, 0, 1)):
        on_white = read_image(source)[:, 0].T
        torch.testing.assert_close(on_white, torch.tensor([[1.0, 0, 0], [1, 1, 1], [0.8] * 3]))
        on_blue = read_image(source, background=(0.0, 0.0, 1.0))[:, 0].T
        torch.testing.assert_close(on_blue[1:], torch.tensor([[0.0, 0, 1], [0, 0, 0.8]]))


def test_a_transparent_colour_of_a_palette_or_of_grey_counts_as_alpha(tmp_path):
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    path = _save(tmp_path, palette, "a.png", transparency=0)
    assert (read_image(path)[:, 0, 0] == 1).all()
    torch.testing.assert_close(read_image(path)[:, 0, 1], torch.tensor([200, 100, 50]) / 255)
    path = _save(tmp_path, Image.new("L", (2, 1), 7), "b.png", transparency=7)
    assert (read_image(path) == 1).all()


@pytest.mark.parametrize("mode", ["LA", "PA", "La", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_other_modes_of_pillow_are_converted(mode):
    red = Image.new("RGBA", (3, 2), (200, 40, 40, 255))
    # Pillow reaches the premultiplied modes only from their plain ones.
    if mode == "PA":
        source = red.convert("P").convert("PA")
    else:
        source = red.convert({"La": "LA"}.get(mode, "RGB" if mode == "HSV" else "RGBA"))
        source = source.convert("RGB") if mode in ("CMYK", "YCbCr", "RGBX") else source
        source = source.convert(mode)
    image = read_image(source)
    assert image.shape == (3, 2, 3)
    if mode not in ("LA", "La"):
        torch.testing.assert_close(
            image[:, 0, 0], torch.tensor([200, 40, 40]) / 255, atol=0.09, rtol=0
        )


def test_a_cmyk_photo_is_read(tmp_path):
    flat = Image.new("RGB", (16, 16), (200, 100, 50)).convert("CMYK")
    image = read_image(_save(tmp_path, flat, "a.jpg", quality=95))
    torch.testing.assert_close(
        image[:, 8, 8], torch.tensor([200, 100, 50]) / 255, atol=0.05, rtol=0
    )


def test_float_pixels_of_pillow_are_read_in_their_range():
    assert (read_image(Image.new("F", (2, 2), 0.25)) == 0.25).all()
    with pytest.raises(InvalidInput, match=r"values in \[0, 1\]"):
        read_image(Image.new("F", (2, 2), 7.0))
    with pytest.raises(InvalidInput, match="8 or 16 bits"):
        read_image(Image.new("I", (2, 2), 70000))


def test_the_first_picture_of_an_animation_is_read(tmp_path):
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    path = _save(tmp_path, red, "a.gif", save_all=True, append_images=[blue])
    assert read_image(path)[:, 0, 0].tolist() == [1, 0, 0]


# --- what is refused ----------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingData, match=r"there is no image .*absent\.png"):
        read_image(tmp_path / "absent.png")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(BadFile, match="is a folder"):
        read_image(tmp_path)


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(BadFile, match="is empty"):
        read_image(tmp_path / "a.png")


def test_a_text_file_is_no_image(tmp_path):
    (tmp_path / "a.jpg").write_text("not a picture")
    with pytest.raises(BadFile, match="not an image"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.gif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_never_read_as_if_whole(tmp_path, rng, name, share):
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = _save(tmp_path, Image.fromarray(noise), name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadFile, match=r"truncated or corrupt|not an image"):
        read_image(path)


def test_flipped_bytes_are_an_error_or_a_picture_but_nothing_else(tmp_path, rng, pixels):
    for name in ("a.png", "a.jpg", "a.gif", "a.tif"):
        path = _save(tmp_path, Image.fromarray(pixels), name)
        data = bytearray(path.read_bytes())
        for _ in range(15):
            broken = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                broken[place] ^= int(rng.integers(1, 256))
            path.write_bytes(broken)
            try:
                assert read_image(path).shape[0] == 3
            except (BadFile, InvalidInput) as error:
                assert name in str(error)  # noqa: PT017


def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header
    chunk += struct.pack(">I", zlib.crc32(b"IHDR" + header))
    chunk += struct.pack(">I", 20) + b"IDAT" + b"\0" * 24
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with pytest.raises(InvalidInput, match="too large"):
        read_image(tmp_path / "bomb.png")


def test_the_limit_of_pixels_is_a_setting(tmp_path, pixels):
    path = _save(tmp_path, Image.fromarray(pixels), "a.png")
    assert read_image(path, max_pixels=HEIGHT * WIDTH).shape == (3, HEIGHT, WIDTH)
    for source in (path, pixels, Image.fromarray(pixels), _expected(pixels)):
        with pytest.raises(InvalidInput, match="raise max_pixels"):
            read_image(source, max_pixels=HEIGHT * WIDTH - 1)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((3, 8, 9), np.uint8), r"channels come last; use `image.transpose\(1, 2, 0\)`"),
        (np.zeros((8, 9, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((1, 8, 9, 3), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((0, 9, 3), np.uint8), "has no pixels"),
        (np.zeros((8, 9, 3), np.int64), r"int64.*astype\(numpy.uint8\)"),
        (np.zeros((8, 9), bool), "bool"),
        (np.full((8, 9, 3), np.nan), "NaN"),
        (np.full((8, 9, 3), np.inf), "infinite"),
        (np.full((8, 9, 3), 200.0), "200.*divide by 255"),
        (np.full((8, 9, 3), -0.5), "rescale it"),
        (torch.zeros(8, 9, 3), r"channels come first; use `image.permute\(2, 0, 1\)`"),
        (torch.zeros(1, 3, 8, 9), r"images\[0\]"),
        (torch.zeros(3, 0, 9), "has no pixels"),
        (torch.zeros(3, 8, 9, dtype=torch.int32), "int32"),
        (torch.full((3, 8, 9), 2.0), r"values in \[0, 1\]"),
        (None, "cannot read an image from NoneType"),
        (io.BytesIO(b""), "cannot read an image from BytesIO"),
    ],
)
def test_an_array_of_another_kind_is_refused_with_the_remedy(source, message):
    with pytest.raises(InvalidInput, match=message):
        read_image(source)


def test_rounding_beyond_the_range_is_cut():
    image = read_image(np.full((2, 2, 3), 1.0000001))
    assert image.max() == 1


# --- lists of files -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.png", "deep/c.webp", "empty/x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def _names(paths):
    return [path.name for path in paths]


def test_a_folder_gives_its_pictures_in_order(folder):
    assert _names(find_images(folder)) == ["a.PNG", "b.jpg"]


def test_files_folders_and_patterns_mix_without_repeats(folder):
    mixed = [folder / "notes.txt", str(folder / "*" / "*.webp"), folder, folder / "b.jpg"]
    assert _names(find_images(mixed)) == ["notes.txt", "c.webp", "a.PNG", "b.jpg"]
    assert _names(find_images(str(folder / "**" / "*"))) == ["a.PNG", "b.jpg", "c.webp"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path):
    (tmp_path / "a[1].png").touch()
    assert _names(find_images(tmp_path / "a[1].png")) == ["a[1].png"]


def test_what_gives_no_pictures_is_named(folder):
    with pytest.raises(MissingData, match=r"the folder .*empty holds no pictures"):
        find_images(folder / "empty")
    with pytest.raises(MissingData, match=r"the pattern .* holds no pictures"):
        find_images(folder / "*.tif")
    with pytest.raises(MissingData, match="no file or folder"):
        find_images([folder / "a.PNG", folder / "absent.png"])


def test_real_photos_are_read(realdata):
    for path in sorted((realdata / "spelke_figs").glob("*.[jp][pn]g")):
        image = read_image(path)
        assert image.std() > 0.05
