import math

import torch

from spelke.models.code_entropy import code_entropies
from spelke.models.local_quantizer import BinaryQuantizer


def test_entropies_are_those_of_the_full_softmax():
    unit = torch.nn.functional.normalize(torch.randn(7, 5, generator=torch.Generator()), dim=1)
    codes = BinaryQuantizer(4, 5).code_vectors(torch.arange(32))
    distance = torch.cdist(unit, codes).square()
    for temperature in (3.0, 100.0):
        probability = (-temperature * distance).softmax(1)
        mean = probability.mean(0)
        per_sample = torch.special.entr(probability).sum(1).mean()
        ours = code_entropies(unit, temperature)
        torch.testing.assert_close(ours[0], per_sample, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours[1], torch.special.entr(mean).sum(), atol=1e-4, rtol=1e-4)


def test_codes_that_are_sure_and_even_have_the_extreme_entropies():
    sure = BinaryQuantizer(4, 15).code_vectors(torch.arange(0, 32768, 37))
    per_sample, mean = code_entropies(sure, 100.0)
    assert per_sample.item() < 1e-6
    assert abs(mean.item() - math.log(len(sure))) < 1e-2
