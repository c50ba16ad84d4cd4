"""How an observer probes: every choice of the discovery pipeline, and its named presets.

A preset is a function that returns the whole configuration. The published ones reproduce
Venkatesh et al. 2025 as released; `embedded` is ours, for a small model that answers hundreds of
pokes at once. Lengths are fractions of the side of a view, so they hold for any model size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from spelke.errors import InvalidInput, UnknownName
from spelke.rollout.base import Sampling

Evidence = Literal["dot", "gain", "correlation", "sensitivity"]
Threshold = Literal["otsu", "fixed", "relative"]
Companion = Literal["none", "together", "apart"]
Corners = Literal["none", "free", "all"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One round of probing: which pokes are asked, and how they are answered."""

    num_directions: int = 8
    """Evenly spaced poke directions."""
    num_seeds: int = 1
    """Repetitions of all directions with new lengths and new seeds."""
    num_sequential: int | None = None
    """None: the expected displacement. Otherwise sampled flow, with so many patches drawn one
    after another."""
    min_length: float = 10 / 256
    """Shortest poke, as a fraction of the view's side."""
    max_length: float = 25 / 256
    """Longest poke, as a fraction of the view's side."""
    companion: Companion = "none"
    """A second poked point on the segment found so far: 'together' moves both in one query
    (published), 'apart' moves either of them in turn."""
    sampling: Sampling = field(default_factory=Sampling)
    """How sampled flow is drawn."""

    @property
    def num_queries(self) -> int:
        """Queries of the whole stage, for one look at one point."""
        return self.num_directions * self.num_seeds

    def __post_init__(self) -> None:
        if self.num_directions < 1 or self.num_seeds < 1:
            raise InvalidInput(
                "a stage needs at least one direction and one seed, got "
                f"num_directions={self.num_directions}, num_seeds={self.num_seeds}"
            )
        if not 0 < self.min_length <= self.max_length <= 1:
            raise InvalidInput(
                "poke lengths must satisfy 0 < min_length <= max_length <= 1 (fractions of the "
                f"view), got {self.min_length} and {self.max_length}"
            )
        if self.num_sequential is not None and self.num_sequential < 0:
            raise InvalidInput(f"num_sequential must not be negative, got {self.num_sequential}")
        check_choice("companion", self.companion, Companion)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refine:
    """How the colours of the photo move a boundary; see `refine.py`."""

    sure: float = 0.8
    """Evidence this far above or below its cut, in multiples of the cut, is left alone."""
    room: float = 0.25
    """How far around the segment colours are looked at, as a fraction of its longer side."""
    resolution: int = 160
    """At most as many pixels are looked at as a square of this side has."""
    iterations: int = 2
    """How often colours are modelled and the band is divided anew."""

    def __post_init__(self) -> None:
        if not 0 < self.sure <= 1:
            raise InvalidInput(f"sure must lie in (0, 1], got {self.sure}")
        if self.room < 0 or self.resolution < 8 or self.iterations < 1:
            raise InvalidInput(
                "refining needs room >= 0, resolution >= 8 and iterations >= 1, got "
                f"{self.room}, {self.resolution} and {self.iterations}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoverySettings:
    """Everything that decides a segment, apart from the model, the picture and the seed."""

    final: Stage = field(default_factory=Stage)
    """The round whose answer is the segment."""
    zoom: Stage | None = None
    """The round that chooses each zoom box; None: never zoom."""
    zoom_steps: int = 0
    """How often to crop around the segment found so far."""
    zoom_padding: float = 25 / 256
    """Room left around a segment in its crop, as a fraction of the view's side."""
    max_magnification: float | None = None
    """Never enlarge photo pixels by more than this; None: no limit (published)."""
    chain_crops: bool = False
    """Crop the previous 8-bit crop (published) instead of the photo itself."""
    evidence: Evidence = "gain"
    """What is measured at each pixel over the pokes; see `correlation.py`."""
    threshold: Threshold = "fixed"
    """How evidence becomes a region: Otsu (published), evidence >= `threshold_ratio`, or evidence
    >= `threshold_ratio` times the evidence around the poked point."""
    threshold_ratio: float = 0.5
    """See `threshold`; without meaning for Otsu."""
    num_looks: int = 1
    """How many half-patch shifts and mirrors of each view are averaged (1 to 8)."""
    combine_levels: bool = False
    """Average the evidence of all zoom levels where they overlap, instead of the last alone."""
    smooth: bool = True
    """Enlarge the evidence linearly and cut it at photo resolution; off: cut it at the model's
    resolution and enlarge by nearest neighbour (published)."""
    refine: Refine | None = None
    """Let the colours of the photo decide where the evidence leaves the boundary open; None: the
    cut alone decides (published)."""
    keep_component: bool = True
    """Keep only the connected part that holds the point."""
    fill_holes: bool = True
    """Add the holes of that part that do not touch the border."""
    corner_pokes: Corners = "free"
    """Say by zero pokes in the corner patches that the camera stands still: in 'all' four
    (published), or in those that hold no poked point."""
    published_seeds: bool = False
    """Draw from the random states the released code passes through, query seeds 1000 + s + c."""
    single_seed: bool = False
    """Give every query the seed of the call."""
    whole_pokes: bool = False
    """Truncate the end of each poke to whole pixels (discovery notebook)."""
    affordance_sure: float | None = 0.2
    """Motion affordance at which a point counts as surely movable in the confidence; None: the
    affordance is not asked."""
    settle: float | None = None
    """Stop the final round early where the segment is expected to overlap that of all its pokes by
    this much (intersection over union); None: always ask all. See `settle.py`."""

    def __post_init__(self) -> None:
        check_choice("evidence", self.evidence, Evidence)
        check_choice("threshold", self.threshold, Threshold)
        check_choice("corner_pokes", self.corner_pokes, Corners)
        if self.zoom_steps < 0 or (self.zoom_steps > 0 and self.zoom is None):
            raise InvalidInput(
                f"zoom_steps={self.zoom_steps} needs a zoom stage and must not be negative; "
                "give `zoom=Stage(...)` or `zoom_steps=0`"
            )
        if self.evidence == "dot" and self.threshold == "fixed":
            raise InvalidInput(
                "evidence 'dot' is in squared pixels and has no fixed threshold; use "
                "threshold='otsu' or 'relative', or evidence='gain'"
            )
        if not 1 <= self.num_looks <= 8:
            raise InvalidInput(f"num_looks must lie in 1..8, got {self.num_looks}")
        if self.num_looks > 1 and self.chain_crops:
            raise InvalidInput("num_looks > 1 cuts shifted views from the photo; chain_crops=False")
        if not 0 < self.threshold_ratio < 1:
            raise InvalidInput(f"threshold_ratio must lie in (0, 1), got {self.threshold_ratio}")
        if not 0 <= self.zoom_padding < 0.5:
            raise InvalidInput(f"zoom_padding must lie in [0, 0.5), got {self.zoom_padding}")
        if self.settle is not None and not 0 < self.settle <= 1:
            raise InvalidInput(f"settle must lie in (0, 1] or be None, got {self.settle}")
        if self.refine is not None and not self.smooth:
            raise InvalidInput("refine needs evidence at the photo's resolution; use smooth=True")
        # A pixel that goes along whole has gain 1: how far that lies above the cut, in cuts.
        above = 1 / self.threshold_ratio - 1
        if self.refine is not None and self.threshold == "fixed" and above < self.refine.sure:
            raise InvalidInput(
                f"with threshold_ratio={self.threshold_ratio}, refine.sure={self.refine.sure} "
                f"leaves no pixel sure: evidence lies at most {above:.2f} cuts above the cut; "
                "lower either, or use refine=None"
            )
        for name in ("max_magnification", "affordance_sure"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInput(f"{name} must be positive or None, got {value}")


def check_choice(name: str, value: str, choices: object) -> None:
    """Refuse a word that is not one of a Literal's."""
    if value not in get_args(choices):
        accepted = ", ".join(map(repr, get_args(choices)))
        raise InvalidInput(f"{name} must be one of {accepted}; got {value!r}")


def embedded() -> DiscoverySettings:
    """Our default, for the small models that ship: one zoom, expected displacement, 8 + 8 pokes."""
    stage = Stage(num_directions=8)
    return DiscoverySettings(
        zoom=stage,
        zoom_steps=1,
        zoom_padding=32 / 256,
        max_magnification=4.0,
        final=stage,
        refine=Refine(),
    )


def published_1b() -> DiscoverySettings:
    """The released `SpelkeNetModel1B` (and 7B): 15 + 24 queries for a segment."""
    return _published(
        zoom=Stage(num_directions=5),
        zoom_steps=2,
        final=Stage(num_seeds=3, num_directions=8, num_sequential=256, companion="together"),
    )


def published_fast() -> DiscoverySettings:
    """The released `SpelkeNetModel1BFast`: 2 + 4 queries for a segment."""
    return _published(
        zoom=Stage(num_directions=1),
        zoom_steps=1,
        final=Stage(num_directions=4, num_sequential=2, companion="together"),
    )


def notebook() -> DiscoverySettings:
    """The released discovery notebook: no zoom, 8 queries, pokes of 10 to 15 pixels of 256."""
    return _published(
        final=Stage(num_directions=8, max_length=15 / 256),
        published_seeds=False,
        single_seed=True,
        whole_pokes=True,
    )


def _published(**changes: Any) -> DiscoverySettings:
    common: dict[str, Any] = {
        "chain_crops": True,
        "evidence": "dot",
        "threshold": "otsu",
        "smooth": False,
        "keep_component": False,
        "fill_holes": False,
        "corner_pokes": "all",
        "published_seeds": True,
        "affordance_sure": None,
    }
    return DiscoverySettings(**{**common, **changes})


PRESETS: dict[str, Callable[[], DiscoverySettings]] = {
    preset.__name__: preset for preset in (embedded, published_1b, published_fast, notebook)
}
"""All presets by name."""


def settings_of(record: Mapping[str, Any]) -> DiscoverySettings:
    """A preset with changes, as a checkpoint or a file names it.

    Args:
        record: `preset` (embedded if absent) and any field of `DiscoverySettings`; the fields of
            `zoom`, `final` and `refine` that are given change those of the preset.

    Raises:
        UnknownName: no such preset.
        InvalidInput: no such field, or a value that it does not accept.
    """
    changes = dict(record)
    name = changes.pop("preset", "embedded")
    if name not in PRESETS:
        raise UnknownName(f"no discovery preset is called {name!r}; there are {', '.join(PRESETS)}")
    base = PRESETS[name]()
    for stage in ("zoom", "final"):
        if isinstance(changes.get(stage), Mapping):
            part = dict(changes[stage])
            if isinstance(part.get("sampling"), Mapping):
                part["sampling"] = _changed(Sampling(), part["sampling"], "sampling")
            changes[stage] = _changed(getattr(base, stage) or Stage(), part, stage)
    if isinstance(changes.get("refine"), Mapping):
        changes["refine"] = _changed(base.refine or Refine(), changes["refine"], "refine")
    return _changed(base, changes, "discovery settings")


def _changed(base: Any, changes: Mapping[str, Any], what: str) -> Any:
    names = [each.name for each in fields(base)]
    unknown = sorted(set(changes) - set(names))
    if unknown:
        raise InvalidInput(
            f"{what} have no field {', '.join(unknown)}; there are {', '.join(names)}"
        )
    return replace(base, **changes)
