"""Names to trained models, and the checkpoints that ship.

A checkpoint is a folder: `config.json`, `model.safetensors` and `card.md`.
"""

from spelke.weights.load import Checkpoint, load
from spelke.weights.save import save

__all__ = ["Checkpoint", "load", "save"]
