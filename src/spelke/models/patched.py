"""A square picture cut into square patches: what configurations of networks share."""

from __future__ import annotations

from dataclasses import dataclass

from spelke.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchedSquare:
    """Size of the picture and of its patches."""

    image_size: int = 128
    """Side of the square picture, in pixels."""
    patch_size: int = 8
    """Side of a patch, in pixels."""

    def __post_init__(self) -> None:
        self.check_positive("image_size", "patch_size")
        if self.image_size % self.patch_size:
            raise InvalidInput(
                f"patch_size must divide image_size, got {self.patch_size} and {self.image_size}"
            )

    def check_positive(self, *names: str) -> None:
        """Refuse numbers below 1.

        Raises:
            InvalidInput: with the first of them.
        """
        for name in names:
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be positive, got {getattr(self, name)}")

    def check_divides(self, name: str, *steps: int) -> None:
        """Refuse a number that is no multiple of each of `steps`.

        Raises:
            InvalidInput: with the first of them.
        """
        for step in steps:
            if getattr(self, name) % step:
                raise InvalidInput(
                    f"{name} must be a multiple of {step}, got {getattr(self, name)}"
                )

    @property
    def patches_per_side(self) -> int:
        """Patches along one side of the picture."""
        return self.image_size // self.patch_size

    @property
    def num_patches(self) -> int:
        """Patches of the picture."""
        return self.patches_per_side**2
