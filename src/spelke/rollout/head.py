"""The columns of the network's head that a question needs, and nothing of the others.

All logits of one flow field take most of a gigabyte over the published vocabulary; of its 111,616
tokens 32,768 are flow codes, and the expected displacement asks only those that the token-to-flow
table names. Logits are float32 whatever the network's precision: in bfloat16 they are off by up to
a few hundredths, and all that follows is exponential in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

ROWS_AT_ONCE = 256
"""Places whose logits exist at the same time; bounds memory, does not change the result."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Some rows of the head's weight.

    Attributes:
        weight: float32.
        tokens: which token each row stands for; a range where they follow one another.
    """

    weight: Float[Tensor, "column embed_dim"]
    tokens: range | Int[Tensor, " column"]

    @classmethod
    def of(cls, head: nn.Linear, tokens: range | Int[Tensor, " column"]) -> Head:
        """The rows of `head` for `tokens`: a view if they are float32 neighbours, else a copy."""
        rows = slice(tokens.start, tokens.stop) if isinstance(tokens, range) else tokens
        return cls(head.weight.detach()[rows].float(), tokens)

    def logits(self, features: Float[Tensor, "*batch embed_dim"]) -> Float[Tensor, "*batch column"]:
        """Logits of `tokens`."""
        with torch.autocast(features.device.type, enabled=False):
            return nn.functional.linear(features.float(), self.weight)

    def likeliest(self, features: Float[Tensor, "*batch embed_dim"]) -> Int[Tensor, "*batch"]:
        """The token of the largest logit at each place."""
        return self.reduce(features, lambda logits: self.token(logits.argmax(-1)))

    def token(self, column: Int[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """Which tokens columns stand for."""
        if isinstance(self.tokens, range):
            return column + self.tokens.start
        return self.tokens[column]

    def reduce(
        self, features: Float[Tensor, "*batch embed_dim"], measure: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """What `measure` makes of the logits, some places at a time."""
        found = torch.cat([measure(part) for part in self._parts(features)])
        return found.unflatten(0, features.shape[:-1])

    def _parts(self, features: Tensor) -> Iterator[Tensor]:
        for part in features.flatten(0, -2).split(ROWS_AT_ONCE):
            yield self.logits(part)
