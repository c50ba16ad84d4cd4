import numpy as np
import torch
from PIL import Image
from tests.training.scenes import moving_squares

from spelke.training.pictures import (
    draw_answers,
    draw_decoded_flow,
    draw_decoded_images,
    revealed_pokes,
    write_sheet,
)


class EchoModel:
    """Expects that everything moves as the first poke says."""

    size, patch_size, batching = 32, 8, "every question alone"

    def look(self, images):
        assert images.shape == (1, 3, 32, 32)
        assert images.max() <= 1
        return ["a glance"]

    def expected_displacement(self, asks):
        moved = torch.tensor(asks[0].query.pokes[0].displacement)
        return moved.view(1, 2, 1, 1).expand(1, 2, 32, 32)

    motion_affordance = entropy = sample_flow = expected_displacement


def test_a_sheet_has_a_row_for_each_picture():
    one, three = (draw_answers(EchoModel(), moving_squares(3, 0), rows) for rows in (1, 3))
    assert one.dtype == np.uint8
    assert 2 * one.shape[0] < three.shape[0]
    assert one.shape[1] == three.shape[1]
    assert len(np.unique(one)) > 20


def test_without_a_single_poke_there_is_no_sheet():
    batch = moving_squares(2, 0)
    assert draw_answers(EchoModel(), batch._replace(kind=0 * batch.kind)) is None
    moving_camera = batch._replace(camera=batch.camera + 1)
    assert draw_answers(EchoModel(), moving_camera) is None


def test_what_is_revealed_becomes_pokes():
    batch = moving_squares(1, 0)
    (poke,) = revealed_pokes(batch, 0, 0, 8)
    patch = int(batch.revealed[0, 0, 0])
    assert (poke.point[0] // 8, poke.point[1] // 8) == (patch % 4, patch // 4)
    assert torch.tensor(poke.displacement).equal(batch.displacement[0, 0, 0])
    exact = batch._replace(displacement=batch.displacement * float("nan"))
    assert revealed_pokes(exact, 0, 0, 8) == (poke,)


def test_sheets_of_quantizers():
    flow = torch.randn(2, 2, 32, 32)
    image = torch.rand(2, 3, 32, 32)
    for sheet in (draw_decoded_flow(flow, 0 * flow), draw_decoded_images(image, image + 1)):
        assert sheet.shape[0] > 2 * 192
        assert sheet.shape[2] == 3


def test_a_sheet_is_written_into_the_run_folder(tmp_path):
    path = write_sheet(np.full((4, 5, 3), 7, np.uint8), 120, tmp_path)
    assert path == tmp_path / "pictures" / "step-000120.png"
    assert np.asarray(Image.open(path)).tolist() == np.full((4, 5, 3), 7).tolist()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
