import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.benchmarks.segmenters.mask2former import (
    SIZE,
    Mask2Former,
    masks_at,
    scaled_size,
    scores_of,
)
from spelke.errors import InvalidInput

transformers = pytest.importorskip("transformers", reason="needs spelke[baselines]")


def test_each_point_is_in_its_mask_or_gets_none(folder_of, picture):
    image, points = picture
    model = Mask2Former(folder_of("mask2former"), "cpu")
    model.pretrained.processing["size"] = {"shortest_edge": 64, "longest_edge": 128}
    masks = model.segment_points(image, points)
    assert masks.shape == (4, 40, 52)
    held = masks[range(4), points[:, 1], points[:, 0]]
    assert (held == masks.any((1, 2))).all()
    assert held.any()
    assert np.array_equal(model.run_inference(image, (51, 39)), masks[3])
    model.min_score = 0.999
    assert not model.segment_points(image, points).any()


@pytest.mark.parametrize("size", [(40, 52), (52, 40), (64, 64), (30, 90), (480, 640), (17, 200)])
@pytest.mark.parametrize(
    "wanted", [{"shortest_edge": 64, "longest_edge": 100}, {"height": 96, "width": 64}]
)
def test_pictures_are_seen_as_the_published_processor_has_them(folder_of, rng, size, wanted):
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    model = Mask2Former(folder_of("mask2former"), "cpu")
    model.pretrained.processing["size"] = wanted
    theirs = transformers.Mask2FormerImageProcessorPil(size=wanted)
    expected = theirs(images=image, return_tensors="pt")["pixel_values"]
    assert torch.allclose(model.pixel_values(image), expected, atol=1e-5)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_sizes_are_the_published_ones(height, width):
    from transformers.image_transforms import get_size_with_aspect_ratio

    theirs = get_size_with_aspect_ratio((height, width), 800, 1333)
    expected = tuple(-(-side // 32) * 32 for side in theirs)
    assert scaled_size((height, width), SIZE, 32) == expected


def test_scores_are_the_published_ones(folder_of, picture):
    """Ours for a mask is theirs, for the best class of it."""
    image, _ = picture
    model = Mask2Former(folder_of("mask2former"), "cpu")
    model.pretrained.processing["size"] = {"height": 384, "width": 384}  # their working size
    with torch.no_grad():
        answer = model.pretrained.network(pixel_values=model.pixel_values(image))
    logits = torch.nn.functional.interpolate(
        answer.masks_queries_logits, (384, 384), mode="bilinear"
    )
    ours = scores_of(answer.class_queries_logits[0], logits[0])
    theirs = transformers.Mask2FormerImageProcessorPil().post_process_instance_segmentation(
        answer, threshold=0.0
    )[0]["segments_info"]
    assert max(one["score"] for one in theirs) == pytest.approx(ours.max().item(), abs=1e-5)


def test_of_masks_that_hold_the_point_the_best_scored_is_taken():
    masks = np.zeros((3, 4, 4), bool)
    masks[0, :2] = masks[1, :, :2] = masks[2, :, :3] = True
    scores = np.array([0.9, 0.5, 0.7])
    points = np.array([[0, 0], [0, 3], [3, 3], [3, 1]])
    found = masks_at(masks, scores, points)
    assert np.array_equal(found, [masks[0], masks[2], np.zeros((4, 4), bool), masks[0]])
    assert np.array_equal(masks_at(masks, scores, points[1:2], 0.8), np.zeros((1, 4, 4), bool))


def test_impossible_scores_are_refused(folder_of):
    with pytest.raises(InvalidInput, match=r"in \[0, 1\)"):
        Mask2Former(folder_of("mask2former"), "cpu", min_score=1.0)
