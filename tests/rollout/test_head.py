import torch
from torch import nn

from spelke.rollout import head as heads
from spelke.rollout.head import Head


def _linear(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Linear(8, 50, bias=False).to(dtype).requires_grad_(False)


def test_only_the_wanted_columns_are_computed_and_named():
    full, features = _linear(), torch.randn(2, 9, 8)
    some = torch.tensor([40, 3, 17])
    for tokens, columns in ((range(10, 30), slice(10, 30)), (some, some)):
        head = Head.of(full, tokens)
        logits = full(features)[..., columns]
        torch.testing.assert_close(head.logits(features), logits)
        best = torch.arange(50)[columns][logits.argmax(-1)]
        assert torch.equal(head.likeliest(features), best)


def test_neighbouring_float32_rows_are_not_copied():
    full = _linear()
    assert Head.of(full, range(10, 30)).weight.data_ptr() == full.weight[10].data_ptr()


def test_places_come_in_parts_that_do_not_change_the_result(monkeypatch):
    head, features = Head.of(_linear(), range(50)), torch.randn(3, 7, 8)
    whole = head.reduce(features, lambda logits: logits.softmax(-1)[..., :2])
    monkeypatch.setattr(heads, "ROWS_AT_ONCE", 4)
    sizes = []

    def measure(logits):
        sizes.append(len(logits))
        return logits.softmax(-1)[..., :2]

    torch.testing.assert_close(head.reduce(features, measure), whole)
    assert whole.shape == (3, 7, 2)
    assert sizes == [4, 4, 4, 4, 4, 1]


def test_logits_are_float32_even_under_autocast():
    head, features = Head.of(_linear(torch.bfloat16), range(50)), torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head.logits(features)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, features @ head.weight.T)
