"""What docs/scale.md extrapolates: workers that take parts, are lost, and go on."""

import numpy as np
import pytest

from benchmarks.extrapolate import WAYS, Rates, deal, table, work
from conftest import PROJECT

RATES = Rates()
PARTS = np.full(10, 100.0)


def test_without_losses_workers_take_part_after_part() -> None:
    cost = work(PARTS, workers=4, start=20, lost_a_second=0, seed=1)

    assert cost.wall == 20 + 3 * 100
    assert cost.paid == 4 * 20 + 10 * 100


def test_a_lost_worker_costs_its_part_and_a_start() -> None:
    seeds = range(200)
    calm = work(PARTS, 4, 20, 0, 0).paid
    paid = np.mean([work(PARTS, 4, 20, 0.001, seed).paid for seed in seeds])

    # Of a part of t seconds that is lost r times a second, (exp(rt) - 1) / r is paid, and exp(rt) - 1 more starts.
    often, again = np.expm1(0.001 * 100), np.expm1(0.001 * 20) / 0.001
    assert paid == pytest.approx(10 * (often / 0.001 + often * again) + 4 * again, rel=0.03)
    assert paid > calm


def test_patients_are_dealt_whole_and_none_is_lost() -> None:
    parts = deal(1_000_000, RATES, np.random.default_rng(1))

    assert len(parts) == 512
    assert parts.sum() == pytest.approx(1_000_000)
    assert np.allclose(parts % RATES.patient, 0)


def test_looking_at_every_file_is_what_more_shares_pay_for() -> None:
    parts = deal(1_000_000, RATES, np.random.default_rng(1))
    paid = {way: [WAYS[way](parts, cores, RATES, 0, 1).paid for cores in (16, 64)] for way in WAYS}

    assert paid["job array"][1] - paid["job array"][0] == pytest.approx(48 * (RATES.look * 1e6 + RATES.start), rel=1e-6)
    assert paid["Ray cluster"][1] < 1.05 * paid["Ray cluster"][0]


@pytest.mark.parametrize(("rates", "workers"), [(Rates(price=0.05), [16, 64]), (Rates(rate=1.7, price=0.05), [64])])
def test_the_tables_of_the_page_are_those_of_the_script(rates: Rates, workers: list[int]) -> None:
    lines = (PROJECT / "docs" / "scale.md").read_text().splitlines()

    assert not set(table([1e6], workers, rates).splitlines()) - set(lines)
