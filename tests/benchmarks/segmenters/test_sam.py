import shutil

import numpy as np
import pytest
import torch

from spelke.benchmarks.segmenters import sam
from spelke.benchmarks.segmenters.sam import Sam, Sam2, Sam3, best_masks
from spelke.errors import BadCheckpoint, InvalidInput, MissingData, MissingExtra

transformers = pytest.importorskip("transformers", reason="needs spelke[baselines]")
KINDS = {"sam": Sam, "sam2": Sam2, "sam3": Sam3}


@pytest.fixture(params=KINDS)
def model(request, folder_of):
    return KINDS[request.param](folder_of(request.param), "cpu")


def test_each_point_gets_the_mask_it_would_get_alone(model, picture, monkeypatch):
    image, points = picture
    together = model.segment_points(image, points)
    assert together.shape == (4, 40, 52)
    assert 0 < together.mean() < 1
    alone = [model.run_inference(image, tuple(point)) for point in points.tolist()]
    assert (together == alone).mean() > 0.999  # sums in another order
    monkeypatch.setattr(sam, "POINTS_AT_ONCE", 3)
    assert (model.segment_points(image, points) == together).mean() > 0.999


def test_no_points_are_no_masks(model, picture):
    assert model.segment_points(picture[0], np.zeros((0, 2), int)).shape == (0, 40, 52)


def test_bfloat16_answers_almost_the_same(folder_of, picture):
    for name, kind in KINDS.items():
        plain = kind(folder_of(name), "cpu").segment_points(*picture)
        short = kind(folder_of(name), "cpu", dtype="bfloat16").segment_points(*picture)
        assert (plain == short).mean() > 0.97


@pytest.mark.parametrize("size", [(40, 52), (52, 40), (64, 64), (200, 3), (90, 301)])
def test_sam_sees_and_answers_as_the_published_processor_has_it(folder_of, rng, size):
    model = Sam(folder_of("sam"), "cpu")
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    points = np.array([[0, 0], [size[1] - 1, size[0] - 1]])
    square = {"height": 64, "width": 64}
    theirs = transformers.SamImageProcessorPil(size={"longest_edge": 64}, pad_size=square)
    given = theirs(images=image, return_tensors="pt")
    assert torch.allclose(model.pixel_values(image), given["pixel_values"], atol=1e-6)
    assert [model.scaled_size(size)] == [tuple(s) for s in given["reshaped_input_sizes"].tolist()]
    processor = transformers.SamProcessor(image_processor=theirs)
    encoded = processor(images=image, input_points=[points[:, None].tolist()], return_tensors="pt")
    assert torch.allclose(model.prompts(points, size).double(), encoded["input_points"])
    logits = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    (masks,) = theirs.post_process_masks(
        [logits[:, None]], given["original_sizes"], given["reshaped_input_sizes"]
    )
    assert torch.equal(model.masks_of(logits, size) > 0, masks[:, 0])


def test_the_whole_of_sam_agrees_with_its_published_pipeline(folder_of, picture):
    image, points = picture
    network = transformers.SamModel.from_pretrained(folder_of("sam"))
    square = {"height": 64, "width": 64}
    theirs = transformers.SamProcessor(
        image_processor=transformers.SamImageProcessorPil(
            size={"longest_edge": 64}, pad_size=square
        )
    )
    given = theirs(images=image, input_points=[points[:, None].tolist()], return_tensors="pt")
    with torch.no_grad():
        answer = network(
            pixel_values=given["pixel_values"], input_points=given["input_points"].float()
        )
    (masks,) = theirs.post_process_masks(
        answer.pred_masks, given["original_sizes"], given["reshaped_input_sizes"]
    )
    best = answer.iou_scores[0].argmax(1)
    expected = masks[torch.arange(4), best].numpy()
    assert np.array_equal(Sam(folder_of("sam"), "cpu").segment_points(image, points), expected)


@pytest.mark.parametrize(
    ("name", "side", "mean", "std"),
    [
        ("sam2", 64, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("sam3", 56, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_sam_2_and_3_stretch_the_picture_and_normalise_as_documented(
    folder_of, picture, name, side, mean, std
):
    image, points = picture
    model = KINDS[name](folder_of(name), "cpu")
    plain = np.full_like(image, 102)
    seen = model.pixel_values(plain)
    assert seen.shape == (1, 3, side, side)
    expected = (0.4 - torch.tensor(mean)) / torch.tensor(std)
    assert torch.allclose(seen, expected.view(1, 3, 1, 1).expand_as(seen), atol=1e-6)
    scaled = model.prompts(points, image.shape[:2])[0, :, 0]
    assert torch.allclose(scaled[3], torch.tensor([51 * side / 52, 39 * side / 40]))


@pytest.mark.parametrize("name", ["sam2", "sam3"])
def test_sam_2_and_3_are_asked_as_their_own_forward_pass_is(folder_of, picture, name):
    """The picture and the points in one call of the published network give the same masks."""
    image, points = picture
    model = KINDS[name](folder_of(name), "cpu")
    with torch.no_grad():
        answer = model.pretrained.network(
            pixel_values=model.pixel_values(image),
            input_points=model.prompts(points, image.shape[:2]),
        )
    best = answer.iou_scores[0].argmax(1)
    whole = torch.nn.functional.interpolate(
        answer.pred_masks[0], image.shape[:2], mode="bilinear", align_corners=False
    )
    expected = (whole[torch.arange(4), best] > 0).numpy()
    assert np.array_equal(model.segment_points(image, points), expected)


def test_a_video_checkpoint_of_sam_2_gives_its_picture_part(folder_of, picture):
    """As the published checkpoints of SAM 2.1 are."""
    video = Sam2(folder_of("sam2-video"), "cpu")
    answer = Sam2(folder_of("sam2"), "cpu").segment_points(*picture)
    assert np.array_equal(video.segment_points(*picture), answer)


def test_the_best_scored_mask_is_taken():
    masks = torch.arange(6.0).reshape(2, 3, 1, 1)
    scores = torch.tensor([[0.1, 0.9, 0.2], [0.3, 0.1, 0.2]])
    assert best_masks(masks, scores).flatten().tolist() == [1, 3]


def test_the_name_and_identity_tell_what_was_measured(folder_of):
    model = Sam(folder_of("sam"), "cpu")
    assert model.name == "tiny-sam"
    assert Sam(folder_of("sam"), "cpu").identity == model.identity
    single = Sam(folder_of("sam"), "cpu", multimask=False)
    assert single.weights == model.weights
    assert single.identity != model.identity


def test_weights_of_something_else_are_refused(folder_of, tmp_path):
    with pytest.raises(BadCheckpoint, match="of type 'sam2', accepted are sam"):
        Sam(folder_of("sam2"), "cpu")
    network = transformers.SamModel.from_pretrained(folder_of("sam"))
    state = {k: v for k, v in network.state_dict().items() if "iou_prediction" not in k}
    network.save_pretrained(tmp_path / "part", state_dict=state)
    with pytest.raises(
        BadCheckpoint, match=r"for 4 tensors of SamModel, such as mask_decoder\.iou"
    ):
        Sam(str(tmp_path / "part"), "cpu")


def test_absent_weights_and_unknown_formats_are_named(tmp_path, folder_of):
    with pytest.raises(MissingData, match="nobody/nothing is no folder"):
        Sam("nobody/nothing", "cpu")
    with pytest.raises(MissingData, match=str(tmp_path)):
        Sam(str(tmp_path), "cpu")
    with pytest.raises(InvalidInput, match="accepted are float32, bfloat16, float16"):
        Sam(folder_of("sam"), "cpu", dtype="int8")


def test_a_network_that_this_transformers_lacks_is_named(folder_of, monkeypatch):
    monkeypatch.setattr(Sam, "class_name", "Sam9Model")
    with pytest.raises(MissingExtra, match="has no Sam9Model"):
        Sam(folder_of("sam"), "cpu")


def test_truncated_weights_are_named(folder_of, tmp_path):
    shutil.copytree(folder_of("sam"), tmp_path / "cut")
    file = tmp_path / "cut" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        Sam(str(tmp_path / "cut"), "cpu")
