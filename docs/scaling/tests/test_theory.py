"""The closed forms, at values that can be worked out on paper."""

from __future__ import annotations

import math

import pytest

from glimpse_scaling import theory


def test_erlang_b_by_hand() -> None:
    assert theory.erlang_b(1, 1) == pytest.approx(1 / 2)
    assert theory.erlang_b(2, 1) == pytest.approx(1 / 5)
    assert theory.erlang_b(3, 2) == pytest.approx((8 / 6) / (1 + 2 + 2 + 8 / 6))


def test_one_server_waits_as_m_m_1() -> None:
    assert theory.erlang_c(1, 0.5) == pytest.approx(0.5)
    assert theory.mean_wait(1, rate=5, time=0.1) == pytest.approx(0.5 * 0.1 / (1 - 0.5))


def test_an_environment_that_is_kept_for_one_mean_interval_is_cold_every_e_th_time() -> None:
    assert theory.sparse_cold_share(rate=1 / 300, keep_warm=300) == pytest.approx(1 / math.e)
