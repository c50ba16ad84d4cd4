"""Names to trained models, and the checkpoints that ship.

A checkpoint is a folder: `config.json`, `model.safetensors` (several of them for a large model) and
`card.md`. Published `.pt` files become one by `fetch` and `convert`.
"""

from spelke.weights.load import Checkpoint, load
from spelke.weights.save import save

__all__ = ["Checkpoint", "load", "save"]
