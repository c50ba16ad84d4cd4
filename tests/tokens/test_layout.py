import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.tokens.layout import (
    CAMERA_VALUES,
    find_flow_layout,
    flow_layout,
    lras_3d_layout,
    rgb_flow_layout,
    spelkenet_layout,
)


def test_published_flow_layout():
    layout = spelkenet_layout()
    assert layout.frames[0].pointers == range(65_536, 66_560)
    assert layout.frames[1].pointers == range(66_560, 67_584)
    assert layout.flow.codes == range(67_584, 100_352)
    assert layout.flow.pointers == range(100_352, 101_376)
    assert layout.camera == range(101_376, 111_376)
    assert layout.camera_pointer == 111_376
    assert (layout.frames[0].position, layout.frames[1].position) == (0, 5_120)
    assert (layout.flow.position, layout.camera_position) == (10_240, 22_528)
    assert (layout.vocab_size, layout.num_positions) == (111_616, 22_536)
    assert layout.image_size == (256, 256)


def test_published_picture_layout():
    layout = lras_3d_layout()
    assert layout.flow.codes == range(67_584, 68_096)
    assert layout.flow.pointers == range(68_096, 69_120)
    assert (layout.flow.position, layout.flow.stride) == (10_240, 9)
    assert (layout.vocab_size, layout.num_positions) == (69_120, 19_456)
    assert layout.camera is None


@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 300), st.integers(1, 300), st.booleans()
)
def test_no_token_and_no_position_means_two_things(rows, columns, rgb, flow, has_camera):
    if has_camera:
        layout = flow_layout(rows, columns, rgb_codes=rgb, flow_codes=flow, camera_values=7)
    else:
        layout = rgb_flow_layout(rows, columns, rgb_codes=rgb, flow_bins=flow)
    streams = (*layout.frames, layout.flow)
    tokens = [layout.frames[0].codes, layout.flow.codes, *(s.pointers for s in streams)]
    places = [range(s.position, s.position + s.stride * layout.num_patches) for s in streams]
    if layout.camera is not None:
        tokens += [layout.camera, range(layout.camera_pointer, layout.camera_pointer + 1)]
        places.append(range(layout.camera_position, layout.camera_position + 1 + CAMERA_VALUES))
    for ranges, size in ((tokens, layout.vocab_size), (places, layout.num_positions)):
        members = [member for one in ranges for member in one]
        assert len(set(members)) == len(members)
        assert max(members) < size


def test_an_empty_grid_is_refused():
    with pytest.raises(InvalidInput, match="at least one patch, got 0x4"):
        flow_layout(0, 4)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_a_layout_is_found_again_from_its_sizes(side, rgb_bits, flow_bits):
    codes = {"rgb_codes": 2**rgb_bits, "flow_codes": 2**flow_bits}
    layout = flow_layout(side, side, **codes)
    assert find_flow_layout(layout.vocab_size, layout.num_positions, **codes) == layout


def test_the_published_layout_is_found_from_its_sizes():
    found = find_flow_layout(111_616, 22_536, rgb_codes=65_536, flow_codes=32_768)
    assert found == spelkenet_layout()


@pytest.mark.parametrize("positions", [0, 22_535])
def test_sizes_that_fit_no_layout_are_refused(positions):
    with pytest.raises(InvalidInput, match=f"num_positions={positions} with 65536 RGB codes"):
        find_flow_layout(111_616, positions, rgb_codes=65_536, flow_codes=32_768)
