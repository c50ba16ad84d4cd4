"""Models for tests of what asks them."""

from spelke.benchmarks.segmenter import SegmentationModel


class Answering(SegmentationModel):
    """Answers each picture with what a function says of it.

    Args:
        answer: from a `TestItem` to masks.
        name, identity: as it is reported.
    """

    def __init__(self, answer, name="m", identity="1"):
        self.answer, self.name, self.identity = answer, name, identity

    def segment_items(self, items):
        return [self.answer(item) for item in items]


class AnsweringTogether(Answering):
    """Likewise, but the function is given some pictures at once."""

    at_once = 4

    def segment_items(self, items):
        return self.answer(items)
