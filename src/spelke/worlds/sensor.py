"""What a camera makes of a rendering: exposure, colour, lens, motion, noise, compression.

Only colours change; ids, depth and flow stay what they were. A picture is varied anew each time a
learner sees it, which costs less than rendering it again and gives more variety than doing it once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class Sensor:
    """One camera and one shot; the defaults change nothing.

    Attributes:
        channels: which of red, green and blue is read as each of them; no camera errs so, but it
            gives a picture other colours and leaves light and shade alone.
        gain: factors of red, green and blue light: exposure and white balance.
        gamma: exponent of the tone curve. lift: added to everything, as haze does.
        saturation: 0 is grey.
        vignette: share of light lost in the corners.
        blur: standard deviation of the lens, in thousandths of the image side.
        streak: length of motion blur in the same unit, and its angle in radians.
        noise: standard deviation that is always there, and that of full light, of 1.
        coarse: by what factor the sensor has fewer pixels than the picture.
        quality: of JPEG, 1 to 100; 0 leaves it out.
    """

    channels: tuple[int, ...] = (0, 1, 2)
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    lift: float = 0.0
    saturation: float = 1.0
    vignette: float = 0.0
    blur: float = 0.0
    streak: tuple[float, float] = (0.0, 0.0)
    noise: tuple[float, float] = (0.0, 0.0)
    coarse: float = 1.0
    quality: int = 0


def draw_sensor(rng: np.random.Generator, swapped_colours: float = 0.0) -> Sensor:
    """Draw a camera: mostly a good one; each fault is there in a fifth to a half of the shots.

    Args:
        rng: the sensor's stream.
        swapped_colours: share of the shots with red, green and blue in random order.
    """

    def sometimes(share: float) -> float:
        return float(rng.random() < share)

    channels = (0, 1, 2)
    if swapped_colours and sometimes(swapped_colours):
        channels = tuple(rng.permutation(3).tolist())
    exposure, balance = np.exp(rng.normal(0, 0.2)), np.exp(rng.normal(0, 0.1, 3))
    return Sensor(
        channels=channels,
        gain=tuple(np.where(rng.random() < 0.8, exposure * balance, 1.0).tolist()),
        gamma=float(np.exp(rng.normal(0, 0.25))) if sometimes(0.8) else 1.0,
        lift=sometimes(0.5) * float(rng.normal(0, 0.05)),
        saturation=float(rng.uniform(0.0, 1.5)) if sometimes(0.5) else 1.0,
        vignette=sometimes(0.3) * float(rng.uniform(0, 0.5)),
        blur=sometimes(0.3) * float(rng.uniform(2, 9)),
        streak=(sometimes(0.15) * float(rng.uniform(8, 35)), float(rng.uniform(0, np.pi))),
        noise=(
            sometimes(0.5) * float(rng.uniform(0, 0.035)),
            sometimes(0.4) * float(rng.uniform(0, 0.05)),
        ),
        coarse=float(rng.uniform(1.2, 2.5)) if sometimes(0.2) else 1.0,
        quality=int(rng.integers(35, 96)) if sometimes(0.3) else 0,
    )


def vary_appearance(
    image: np.ndarray, rng: np.random.Generator, swapped_colours: float = 0.0
) -> np.ndarray:
    """A picture as a random camera would have taken it.

    Args:
        image: (height, width, 3) uint8, RGB.
        rng: the sensor's stream; equal streams give equal pictures.
        swapped_colours: see `draw_sensor`.

    Returns:
        The same shape, uint8.
    """
    return expose(image, draw_sensor(rng, swapped_colours), rng)


def expose(image: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """Take the picture (height, width, 3) uint8 with a sensor; only noise is drawn from `rng`."""
    if sensor.channels != (0, 1, 2):
        image = image.take(sensor.channels, axis=2)
    x = image.astype(np.float32) / 255
    x = _lens(x, sensor)
    x = x * np.array(sensor.gain, np.float32) + np.float32(sensor.lift)
    if sensor.saturation != 1:
        grey = x.mean(2, keepdims=True)
        x = grey + (x - grey) * np.float32(sensor.saturation)
    x = np.clip(x, 0, 1)
    fixed, grows = sensor.noise
    if fixed or grows:
        spread = np.sqrt(np.float32(fixed**2) + np.float32(grows**2) * x)
        x = np.clip(x + spread * rng.standard_normal(x.shape, np.float32), 0, 1)
    if sensor.gamma != 1:
        x = x ** np.float32(sensor.gamma)
    picture = (x * 255 + 0.5).astype(np.uint8)
    if sensor.quality:
        flags = [cv2.IMWRITE_JPEG_QUALITY, sensor.quality]
        packed = cv2.imencode(".jpg", picture[..., ::-1], flags)[1]
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB), np.uint8)
    return picture


def _lens(x: np.ndarray, sensor: Sensor) -> np.ndarray:
    """What happens to light before it is counted: blur, motion, few pixels, dark corners."""
    height, width = x.shape[:2]
    unit = min(height, width) / 1000
    if sensor.blur:
        x = cv2.GaussianBlur(x, (0, 0), max(0.1, sensor.blur * unit))
    length, angle = sensor.streak
    if length * unit > 1:
        x = cv2.filter2D(x, -1, _streak(length * unit, angle), borderType=cv2.BORDER_REFLECT)
    if sensor.coarse > 1:
        small = (max(1, round(width / sensor.coarse)), max(1, round(height / sensor.coarse)))
        x = cv2.resize(cv2.resize(x, small, interpolation=cv2.INTER_AREA), (width, height))
    if sensor.vignette:
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        over = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
        x = x * (1 - np.float32(sensor.vignette / 2) * (down + over))[..., None]
    return x


def _streak(length: float, angle: float) -> np.ndarray:
    """A line of some length in pixels as a filter of sum 1."""
    half = int(np.ceil(length / 2))
    along = np.linspace(-length / 2, length / 2, 4 * half + 3)
    kernel = np.zeros((2 * half + 3, 2 * half + 3), np.float32)
    x, y = half + 1 + along * np.cos(angle), half + 1 + along * np.sin(angle)
    for row in (0, 1):
        for column in (0, 1):
            left, top = np.floor(x).astype(int), np.floor(y).astype(int)
            share = np.abs(1 - column - (x - left)) * np.abs(1 - row - (y - top))
            np.add.at(kernel, (top + row, left + column), share)
    return kernel / kernel.sum()
