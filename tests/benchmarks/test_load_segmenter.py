import sys
import textwrap

import numpy as np
import pytest

from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.benchmarks.segmenter import ask
from spelke.errors import BadModel, InvalidInput, MissingData, Unavailable, UnknownName

CODE = """
    import numpy as np

    class Full:
        def run_inference(self, input_image, poke_point):
            return np.ones(input_image.shape[:2])

    class Bright:
        image_range = "float"
        def __init__(self, threshold=0.5, device="nowhere"):
            self.threshold, self.device = threshold, device
        def run_inference(self, image, point):
            assert image.max() <= 1
            return image.mean(2) > self.threshold

    class Broken:
        def __init__(self):
            raise OSError("no weights here")
        def run_inference(self, image, point): ...

    class Mute: ...

    class Outer:
        class Inner(Full): ...

    number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module `their_model` in the working folder."""
    (tmp_path / "their_model.py").write_text(textwrap.dedent(CODE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path / "their_model.py"
    sys.modules.pop("their_model", None)


@pytest.mark.parametrize("place", ["their_model:Full", "their_model.Full", "their_model.py:Full"])
def test_a_class_in_the_working_folder_is_found(module, items, place):
    model = load_segmenter(place)
    assert model.name == "Full"
    assert ask(model, items[:1])[0].all()


def test_a_file_elsewhere_and_a_nested_class_are_found(module, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load_segmenter(f"{module}:Outer.Inner").name == "Inner"


def test_options_and_device_reach_the_constructor(module, items):
    dark = load_segmenter("their_model:Bright", "cpu", threshold=1.0)
    assert not ask(dark, items[:1])[0].any()
    assert dark.model.device == "cpu"
    assert ask(load_segmenter("their_model:Bright", threshold=0.0), items[:1])[0].all()


def test_the_picture_range_is_the_class_s_or_the_option_s(module):
    assert load_segmenter("their_model:Bright").image_range == "float"
    assert load_segmenter("their_model:Full").image_range == "uint8"
    assert load_segmenter("their_model:Full", image_range="float").image_range == "float"
    with pytest.raises(InvalidInput, match="leave the option out"):
        load_segmenter("their_model:Bright", image_range="uint8")
    with pytest.raises(InvalidInput, match="knows its own"):
        load_segmenter("disc", image_range="float")


@pytest.mark.parametrize(
    ("place", "kind", "complaint"),
    [
        ("no_such.module:Model", UnknownName, "no module no_such"),
        ("their_model:Fool", UnknownName, "its classes are Bright, Broken, Full, Mute, Outer"),
        ("their_model:number", BadModel, "is a int, not a class"),
        ("their_model:Mute", BadModel, r"no method run_inference\(image, point\)"),
        ("their_model:Broken", BadModel, "could not be made: OSError: no weights here"),
        ("their_model:", UnknownName, "names no class"),
        ("grabcat", UnknownName, "Models to compare with are .*grabcut"),
        ("no/such/folder", MissingData, "no/such/folder"),
    ],
)
def test_what_cannot_be_loaded_is_named(module, place, kind, complaint):
    with pytest.raises(kind, match=complaint):
        load_segmenter(place)


def test_wrong_options_are_answered_with_the_right_ones(module):
    with pytest.raises(InvalidInput, match="it takes threshold, device"):
        load_segmenter("their_model:Bright", treshold=1)
    with pytest.raises(InvalidInput, match="it takes none"):
        load_segmenter("their_model:Full", threshold=1)


def test_a_device_that_is_not_here_is_an_error_even_for_a_class_that_takes_none(module):
    with pytest.raises(Unavailable):
        load_segmenter("their_model:Full", "cuda:7")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("import no_such_package_of_theirs", "needs the package no_such_package_of_theirs"),
        ("1 / 0", "importing their_model failed: ZeroDivisionError"),
        ("def f(:", "importing their_model failed: SyntaxError"),
    ],
)
def test_a_module_that_does_not_import_says_why(module, line, complaint):
    module.write_text(line)
    with pytest.raises(BadModel, match=complaint):
        load_segmenter("their_model:Full")


def test_a_file_whose_name_is_taken_is_not_confused_with_another(module):
    (module.parent / "json.py").write_text(module.read_text())
    with pytest.raises(BadModel, match="another module json first"):
        load_segmenter("json.py:Full")


def test_the_identity_changes_with_code_and_options(module):
    before = load_segmenter("their_model:Bright").identity
    assert load_segmenter("their_model:Bright").identity == before
    assert load_segmenter("their_model:Bright", threshold=0.25).identity != before
    sys.modules.pop("their_model")
    module.write_text(module.read_text().replace("image.mean(2) >", "image.mean(2) >="))
    assert load_segmenter("their_model:Bright").identity != before


def test_a_torch_module_is_moved_and_a_base_class_kept(tmp_path, monkeypatch, items):
    code = """
        import torch
        from spelke.benchmarks.segmenter import SegmentationModel

        class Net(torch.nn.Module, SegmentationModel):
            def __init__(self):
                super().__init__()
                self.bias = torch.nn.Parameter(torch.ones(()))
            def segment_points(self, image, points):
                return torch.ones(len(points), *image.shape[:2]) * self.bias > 0
    """
    (tmp_path / "their_net.py").write_text(textwrap.dedent(code))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    model = load_segmenter("their_net:Net", "cpu")
    assert (model.name, len(model.identity)) == ("Net", 12)
    assert ask(model, items[:2])[1].all()
    sys.modules.pop("their_net")


def test_the_models_that_come_with_us_are_known_by_name(items):
    assert load_segmenter("disc").name == "disc"
    oracle = load_segmenter("instance-oracle")
    assert oracle.is_oracle
    assert np.array_equal(ask(oracle, items[:1])[0], items[0].instances)
    with pytest.raises(InvalidInput, match="answers from a set's truth"):
        oracle.run_inference(items[0].image, (1, 1))


def test_a_checkpoint_is_known_by_its_name_and_by_its_kind(items):
    model = load_segmenter("spelke-tiny", "cpu")
    assert model.name == "spelke-tiny"
    assert len(model.weights) == 12
    assert load_segmenter("checkpoint=spelke-tiny", "cpu").identity == model.identity


def test_the_published_tools_names_mean_their_checkpoints():
    with pytest.raises(Unavailable, match="spelkenet-1b"):
        load_segmenter("SpelkeNetModel1B")
