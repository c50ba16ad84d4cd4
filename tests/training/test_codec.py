import pytest
import torch
from tests.training.scenes import SAMPLES, GridQuantizer, records

from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.training.codec import (
    QuantizerObjective,
    cut_windows,
    measure_flow_table,
    moving_windows,
    spread,
)
from spelke.training.samples import SceneSamples
from spelke.training.tasks import sample_batches


def batches(count):
    stream = sample_batches(SceneSamples(records(4), SAMPLES, 0), 4)
    return [next(stream) for _ in range(count)]


def test_windows_hold_every_pixel_once():
    x = torch.arange(2 * 64 * 96).view(2, 1, 64, 96).float()
    windows = cut_windows(x)
    assert windows.shape == (12, 1, 32, 32)
    assert windows.flatten().sort().values.tolist() == list(range(x.numel()))
    assert torch.equal(windows[1], x[1, :, :32, :32])


def test_chosen_windows_are_spread_over_the_pictures():
    assert spread(torch.arange(100.0), 4).tolist() == [0, 25, 50, 75]
    assert spread(torch.arange(3.0), 4).tolist() == [0, 1, 2]


def test_most_windows_move():
    flow = torch.zeros(24, 2, 64, 64)
    flow[:, 0, :32, :32] = 3
    windows = moving_windows(flow, 24)
    moves = windows.abs().amax((1, 2, 3)) > 0.5
    assert (len(windows), int(moves.sum())) == (24, 22)
    assert len(moving_windows(torch.zeros(4, 2, 64, 64), 24)) == 2


def test_the_table_is_the_mean_flow_of_each_code():
    quantizer = GridQuantizer()
    seen = batches(2)
    table = measure_flow_table(quantizer, seen)
    flow = torch.cat([batch.flow.float().flatten(0, 1) for batch in seen])
    codes = quantizer.encode(flow)
    cells = flow.unfold(2, 4, 4).unfold(3, 4, 4)  # (field, 2, row, column, 4, 4)
    cells = cells.permute(0, 2, 3, 1, 4, 5)
    assert len(codes.unique()) > 3
    for code in codes.unique().tolist():
        torch.testing.assert_close(table[code], cells[codes == code].mean(0))


def test_a_code_that_never_occurs_means_what_it_decodes_to():
    quantizer = GridQuantizer().eval()
    table = measure_flow_table(quantizer, batches(1))
    alone = quantizer.decode(torch.full((1, 5, 5), 12))[0, :, 8:12, 8:12]
    torch.testing.assert_close(table[12], alone.detach())


@pytest.mark.parametrize("channels", [2, 3], ids=["flow", "rgb"])
def test_a_quantizer_learns(channels):
    torch.manual_seed(0)
    config = LocalQuantizerConfig(
        in_channels=channels, num_bits=6, embed_dim=16, std=(4.0 if channels == 2 else 0.5,),
        dropout=0.0, entropy_weight=0.0,
    )  # fmt: skip
    objective = QuantizerObjective(LocalQuantizer(config), num_windows=6)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    found = []
    for batch in batches(1) * 40:
        loss, metrics = objective(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(metrics)
    assert found[-1]["reconstruction"] < 0.5 * found[0]["reconstruction"]
    name = "end_point_error" if channels == 2 else "psnr"
    assert (found[-1][name] < found[0][name]) == (channels == 2)


def test_nothing_that_moves_is_no_error():
    still = batches(1)[0]
    still = still._replace(flow=torch.zeros_like(still.flow))
    config = LocalQuantizerConfig(in_channels=2, num_bits=4, embed_dim=8)
    loss, metrics = QuantizerObjective(LocalQuantizer(config))(still)
    assert loss.isfinite()
    assert "end_point_error" not in metrics
