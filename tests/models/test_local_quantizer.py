from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.recipes import TINY_WIDTH, fill_quantizer, golden, stored_weights

from spelke.errors import InvalidInput
from spelke.models.local_quantizer import (
    LocalQuantizer,
    LocalQuantizerConfig,
    flow_quantizer_config,
    rgb_quantizer_config,
)

CONFIGS = {"rgb": rgb_quantizer_config, "flow": flow_quantizer_config}


@pytest.fixture(scope="module", params=["rgb", "flow"])
def tiny(request):
    arrays = golden(f"lpq_tiny_{request.param}")
    quantizer = LocalQuantizer(CONFIGS[request.param](TINY_WIDTH)).eval()
    quantizer.load_state_dict(stored_weights(arrays), strict=True)
    return quantizer, arrays, request.param


def _small(**changes):
    torch.manual_seed(0)
    config = LocalQuantizerConfig(in_channels=2, num_bits=6, embed_dim=16, dropout=0.0)
    return LocalQuantizer(replace(config, **changes))


def _agrees(ours, theirs, tolerance=1e-4):
    difference = np.abs(ours.detach().numpy() - theirs).max()
    assert difference < tolerance, difference


def test_state_dict_has_the_published_keys_in_order(tiny):
    quantizer, arrays, _ = tiny
    assert list(quantizer.state_dict()) == list(stored_weights(arrays))


def test_codes_and_decoded_pictures_are_the_published_ones(tiny):
    quantizer, arrays, _ = tiny
    x = torch.from_numpy(arrays["x"])
    features = quantizer.encoder(x)
    _agrees(features, arrays["z"])
    _agrees(quantizer.quantizer.project_in(features.permute(0, 2, 3, 1)), arrays["proj"])
    codes = quantizer.encode(x)
    assert np.array_equal(codes.numpy(), arrays["codes"])
    _agrees(quantizer.quantizer.from_codes(codes).permute(0, 3, 1, 2), arrays["quantized"])
    _agrees(quantizer.decode(codes), arrays["decoded"])
    _agrees(quantizer.decode(torch.from_numpy(arrays["rand_codes"])), arrays["rand_decoded"])


def test_codes_out_of_range_count_by_their_low_bits(tiny):
    quantizer, arrays, _ = tiny
    codes = torch.from_numpy(arrays["oor_codes"])
    _agrees(quantizer.decode(codes), arrays["oor_decoded"])
    assert torch.equal(
        quantizer.decode(codes), quantizer.decode(codes % quantizer.config.vocab_size)
    )


def test_code_vectors_are_the_published_ones(tiny):
    quantizer, arrays, _ = tiny
    ours = quantizer.quantizer.code_vectors(torch.arange(8))
    _agrees(ours, arrays["code_vectors_first8"][0, :, 0].T, 1e-6)


def test_training_pass_reconstructs_as_decode_does(tiny):
    quantizer, arrays, _ = tiny
    output = quantizer(torch.from_numpy(arrays["x"]))
    _agrees(output.reconstruction, arrays["decoded"])
    _agrees(output.reconstruction_loss, arrays["mse_loss"])
    assert np.array_equal(output.codes.numpy(), arrays["codes"])


def test_input_scale_is_the_published_one(tiny):
    quantizer, arrays, name = tiny
    raw = torch.from_numpy(arrays["raw"]).permute(2, 0, 1)[None]
    raw = raw.float() / 255 if name == "rgb" else raw
    _agrees(quantizer.normalise(raw), arrays["x"], 1e-5)
    _agrees(quantizer.denormalise(quantizer.normalise(raw)), raw.numpy(), 1e-4)
    if name == "flow":
        decoded = quantizer.denormalise(torch.from_numpy(arrays["decoded"]))
        _agrees(decoded[0].permute(1, 2, 0), arrays["decoded_px"], 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("rgb", 21), ("flow", 22)])
def test_released_widths(name, seed):
    arrays = golden(f"lpq_full_{name}_recipe")
    assert arrays["weight_seed"] == seed
    quantizer = fill_quantizer(LocalQuantizer(CONFIGS[name]()), seed)
    state = quantizer.state_dict()
    assert list(state) == arrays["keys"].tolist()
    sums = [value.double().abs().sum().item() for value in state.values()]
    np.testing.assert_allclose(sums, arrays["sum_abs"], rtol=1e-5)
    with torch.no_grad():
        codes = quantizer.encode(torch.from_numpy(arrays["x"]))
        sure = (np.abs(arrays["proj"]) > 1e-4).all(-1)
        assert np.array_equal(codes.numpy()[sure], arrays["codes"][sure])
        decoded = quantizer.decode(torch.from_numpy(arrays["codes"]))
        _agrees(decoded, arrays["decoded"])
        loss = (decoded - torch.from_numpy(arrays["x"])).square().mean()
        _agrees(loss, arrays["mse_loss"])


def test_encoder_sees_each_block_alone():
    quantizer = _small().eval()
    x = torch.randn(1, 2, 16, 24)
    blocks = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    assert torch.equal(quantizer.encode(blocks).view(1, 4, 6), quantizer.encode(x))


def test_gradient_passes_the_sign_and_training_reconstructs_better():
    quantizer = _small()
    optimizer = torch.optim.AdamW(quantizer.parameters(), 3e-3)
    x = torch.randn(4, 2, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    losses = []
    for _ in range(40):
        output = quantizer(x)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.reconstruction_loss.item())
    assert quantizer.encoder[0].weight.grad.abs().sum() > 0
    assert losses[-1] < 0.5 * losses[0]


def test_loss_is_the_weighted_sum_of_its_parts():
    quantizer = _small(entropy_weight=0.5, diversity_weight=2.0, commitment_weight=0.25)
    output = quantizer(torch.randn(2, 2, 8, 8))
    entropy = output.sample_entropy - 2.0 * output.batch_entropy
    expected = output.reconstruction_loss + 0.5 * entropy + 0.25 * output.commitment
    torch.testing.assert_close(output.loss, expected)


def test_wrong_inputs_say_what_is_accepted():
    quantizer = _small()
    with pytest.raises(InvalidInput, match=r"multiples of 4, got \(1, 2, 6, 8\)"):
        quantizer.encode(torch.zeros(1, 2, 6, 8))
    with pytest.raises(InvalidInput, match=r"\(batch, 2, height, width\)"):
        quantizer.encode(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_bits": 0}, "num_bits must lie in 1..20, got 0"),
        ({"in_channels": 0}, "in_channels must be positive"),
        ({"embed_dim": 6}, "multiple of 4, got 6"),
        ({"mean": (1.0, 2.0, 3.0)}, "mean must hold 1 or in_channels=2"),
        ({"std": (0.0,)}, "std must be positive"),
    ],
)
def test_bad_configs_say_why(changes, message):
    with pytest.raises(InvalidInput, match=message):
        _small(**changes)
