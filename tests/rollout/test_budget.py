from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import Unavailable
from spelke.models.lras import spelkenet_1b_config, spelkenet_7b_config
from spelke.rollout import budget as budgets
from spelke.rollout.budget import Budget, plan_budget
from spelke.tokens.layout import spelkenet_layout

GB = 10**9


def _plan(monkeypatch, config, free, dtype=torch.bfloat16, device="meta"):
    monkeypatch.setattr(budgets, "free_bytes", lambda device: free)
    return plan_budget(config, spelkenet_layout(), dtype, torch.device(device))


def test_the_published_sizes_on_a_large_gpu(monkeypatch):
    plan = _plan(monkeypatch, spelkenet_1b_config(), 130 * GB)
    # Keys and values: 184 KB for a token; picture, camera and flow are 10,248 tokens.
    assert plan.reading_bytes == 10_248 * 184_320
    assert plan.readings == 27
    tail = 5 * (6 + 256)
    assert plan.lanes(tail) > 24 * 5
    assert "up to 27 pictures stay read (1.89 GB each)" in str(plan)
    large = _plan(monkeypatch, spelkenet_7b_config(), 100 * GB)
    assert large.reading_bytes == 10_248 * 524_288
    assert large.lanes(tail) >= 24


def test_a_cpu_has_fixed_lanes_and_says_why(monkeypatch):
    plan = _plan(monkeypatch, spelkenet_1b_config(), 64 * GB, torch.float32, "cpu")
    assert plan.lanes(5 * 262) == budgets.CPU_LANES
    assert "do not depend on their neighbours" in str(plan)


def test_what_cannot_fit_is_refused_with_numbers(monkeypatch):
    with pytest.raises(Unavailable, match=r"takes 5\.4 GB, and of meta 3\.2 GB may be used"):
        _plan(monkeypatch, spelkenet_7b_config(), 4 * GB)
    plan = _plan(monkeypatch, spelkenet_7b_config(), 7 * GB)
    with pytest.raises(Unavailable, match=r"drawing 1310 tokens takes 1\.0 GB"):
        plan.lanes(1310)


def test_a_device_that_does_not_tell_gets_a_modest_plan(monkeypatch):
    assert _plan(monkeypatch, spelkenet_1b_config(), None).readings == 1


@given(st.integers(1, 200), st.integers(1, 4000), st.sampled_from([None, 8]))
def test_readings_and_lanes_together_keep_to_the_budget(gigabytes, tokens, fixed):
    plan = Budget(
        bytes_free=gigabytes * GB,
        reading_bytes=GB // 2,
        lane_token_bytes=100_000,
        fixed_lanes=fixed,
        device="test",
    )
    lanes = plan.lanes(tokens)
    used = plan.readings * plan.reading_bytes + lanes * tokens * plan.lane_token_bytes
    assert used <= plan.bytes_free
    assert replace(plan, bytes_free=2 * plan.bytes_free).lanes(tokens) >= lanes
