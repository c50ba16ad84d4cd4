"""What every test can use, and what no test may do: reach a network, open a window."""

from __future__ import annotations

import os
import signal

# A run in the background of a script inherits that Ctrl-C is ignored, and so would the programs
# whose answer to it is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")
# No test finds or leaves a model in the user's cache.
os.environ["SPELKE_HOME"] = os.devnull

from pathlib import Path

import hypothesis
import jaxtyping
import numpy as np
import pytest

# Few and the same examples each time: the suite stays short and a red run can be repeated.
hypothesis.settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
hypothesis.settings.load_profile("quick")


@pytest.fixture
def generator():
    """A torch generator with a fixed seed."""
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture
def rng():
    """A numpy generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def realdata():
    """The folder of real pictures and clips, which is not part of the repository.

    Tests that need it are skipped by name where SPELKE_REALDATA does not point to it.
    """
    folder = os.environ.get("SPELKE_REALDATA")
    if not folder:
        pytest.skip("SPELKE_REALDATA does not name the folder of real pictures")
    if not Path(folder).is_dir():
        pytest.fail(f"SPELKE_REALDATA names {folder}, which is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def graphics():
    """Worlds can be rendered; tests that need it are skipped, with the reason, elsewhere."""
    from spelke.errors import MissingExtra, Unavailable
    from spelke.worlds.gl import gl_context

    try:
        gl_context()
    except (MissingExtra, Unavailable) as error:
        pytest.skip(f"worlds cannot be rendered here: {error}")


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory):
    """Clips whose motion is known, with masks; see `tests.clips`. Do not write into it."""
    from tests.clips import draw_clips

    return draw_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def unchecked_shapes():
    """Call functions as users do, without the shape checks that the test run switches on.

    For tests that hand in a wrong shape on purpose and look at our own error.
    """
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(jaxtyping.TypeCheckError):
        report.sections.append(
            (
                "shapes",
                "An annotation did not hold. If the test gives a wrong shape on purpose, to see "
                'our own error, mark it with @pytest.mark.usefixtures("unchecked_shapes").',
            )
        )
    return report
