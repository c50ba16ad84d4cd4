"""What every test can use, and what no test may do: reach a network, open a window."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

import jaxtyping
import pytest


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
                "An annotation did not hold. If the test gives a wrong shape on purpose, to see our "
                'own error, mark it with @pytest.mark.usefixtures("unchecked_shapes").',
            )
        )
    return report
