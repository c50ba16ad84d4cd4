"""The models that come with us: their names, what they are, what they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_HERE = "spelke.benchmarks.segmenters"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One line of `spelke bench models`.

    Attributes:
        place: where its class is, `package.module:Class`.
        what: one sentence for people.
        options: what its constructor is always given.
        weights: an example of `model_path`; "" if it needs none.
        extra: of `pip install 'spelke[...]'`, or "".
    """

    place: str
    what: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    extra: str = ""


def _classical(method: str, what: str) -> BuiltIn:
    return BuiltIn(f"{_HERE}.classical:Classical", what, {"method": method})


def _pretrained(place: str, what: str, weights: str) -> BuiltIn:
    return BuiltIn(f"{_HERE}.{place}", what, weights=weights, extra="baselines")


BUILT_IN: dict[str, BuiltIn] = {
    "checkpoint": BuiltIn(
        f"{_HERE}.checkpoint:CheckpointSegmenter",
        "a world model of ours, poked at the point; its name alone will do",
        weights="spelke-small",
    ),
    "flood-fill": _classical("flood-fill", "connected pixels of a colour like that at the point"),
    "felzenszwalb": _classical("felzenszwalb", "region of Felzenszwalb and Huttenlocher's graph"),
    "slic-merge": _classical("slic-merge", "SLIC superpixels merged by colour"),
    "random-walker": _classical("random-walker", "random walker from the point against all far"),
    "grabcut": _classical("grabcut", "GrabCut with a disc of the mean object size as guess"),
    "disc": _classical("disc", "a disc of the mean object size, without looking"),
    "whole-image": _classical("whole-image", "everything"),
    "instance-oracle": BuiltIn(
        f"{_HERE}.oracles:InstanceOracle", "the true outline of the object at the point alone"
    ),
    "group-oracle": BuiltIn(f"{_HERE}.oracles:GroupOracle", "the truth: what moves along"),
    "part-oracle": BuiltIn(
        f"{_HERE}.oracles:PartOracle", "the true outline of what looks alike of that object"
    ),
    "cwm": BuiltIn(
        f"{_HERE}.cwm:Cwm",
        "what comes along with the moved patch, by a network of architecture two_frame",
        weights="FOLDER",
    ),
    "sam": _pretrained("sam:Sam", "Segment Anything, its best mask", "facebook/sam-vit-huge"),
    "sam2": _pretrained(
        "sam:Sam2", "Segment Anything 2, its best mask", "facebook/sam2.1-hiera-large"
    ),
    "sam3": _pretrained(
        "sam:Sam3", "Segment Anything 3, point prompts of its tracker", "facebook/sam3"
    ),
    "dino": _pretrained(
        "dino:Dino", "patches like the one at the point, by DINO", "facebook/dino-vitb8"
    ),
    "dinov2": _pretrained(
        "dino:Dino", "patches like the one at the point, by DINOv2", "facebook/dinov2-large"
    ),
    "dinov3": _pretrained(
        "dino:Dino",
        "patches like the one at the point, by DINOv3",
        "facebook/dinov3-vitl16-pretrain-lvd1689m",
    ),
    "mask2former": _pretrained(
        "mask2former:Mask2Former",
        "of the masks that hold the point, the best",
        "facebook/mask2former-swin-large-coco-panoptic",
    ),
}
"""Every model that is known by a name, besides checkpoints."""

PUBLISHED_NAMES = {"SpelkeNetModel1B": "spelkenet-1b", "SpelkeNetModel7B": "spelkenet-7b"}
"""What the published tools call their built-in classes."""
