"""Tests the statistics against values by hand, scipy and statsmodels, and by coverage on known distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, kstest, norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from analysis import statistics


def distribution(scores: np.ndarray, seed: int = 0, resamples: int = 4000) -> np.ndarray:
    return statistics.resample_means({"m": scores}, np.random.default_rng(seed), resamples)["m"]


def binary(seed: int, seeds: int, items: int, chance: float) -> np.ndarray:
    return (np.random.default_rng(seed).random((seeds, items)) < chance).astype(float)


def test_resamples_have_the_mean_and_spread_of_the_scores() -> None:
    scores = binary(0, 1, 200, 0.7)
    samples = distribution(scores, resamples=20_000)
    assert samples.mean() == pytest.approx(scores.mean(), abs=0.002)
    assert samples.std() == pytest.approx(scores.std() / math.sqrt(200), rel=0.03)


def test_seeds_are_resampled_too() -> None:
    """Scores that depend on the seed alone: the spread is that of the mean of S seeds drawn with replacement."""
    scores = np.repeat([[0.0], [0.5], [1.0]], 50, axis=1)
    assert distribution(scores, resamples=20_000).std() == pytest.approx(np.std([0, 0.5, 1]) / math.sqrt(3), rel=0.03)


def test_each_methods_seeds_are_drawn_on_their_own() -> None:
    scores = np.repeat([[0.0], [1.0]], 5, axis=1)
    samples = statistics.resample_means({"a": scores, "b": scores}, np.random.default_rng(0), 4000)
    assert abs(np.corrcoef(samples["a"], samples["b"])[0, 1]) < 0.06


def test_items_are_drawn_jointly_for_all_methods() -> None:
    scores = binary(1, 1, 80, 0.5)
    both = statistics.resample_means({"a": scores, "b": scores}, np.random.default_rng(3), 2500)
    assert np.array_equal(both["a"], both["b"])


def test_resampling_is_seeded_and_a_further_method_changes_nothing() -> None:
    a, b = binary(1, 3, 40, 0.5), binary(2, 2, 40, 0.6)
    first = statistics.resample_means({"a": a}, np.random.default_rng(5), 1500)["a"]
    again = statistics.resample_means({"a": a, "b": b}, np.random.default_rng(5), 1500)["a"]
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    "scores",
    [{"a": np.ones((1, 3)), "b": np.ones((1, 4))}, {"a": np.ones(3)}, {"a": np.ones((2, 0))}, {"a": np.ones((0, 2))}],
)
def test_scores_of_other_shapes_are_refused(scores: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="same items"):
        statistics.resample_means(scores, np.random.default_rng(0), 100)


@pytest.mark.parametrize("confidence", [0.6, 0.95])
@pytest.mark.parametrize("scale", [1, 1 / 8])
def test_intervals_agree_with_scipy(confidence: float, scale: float) -> None:
    """Both get the same resamples.  Scores are coarse, so that means tie; two seeds disagree on most items."""
    scores = np.floor(np.random.default_rng(4).exponential(8 * scale, (2, 16))) / scale
    by_item = (scores.mean(axis=0),)
    theirs = bootstrap(by_item, np.mean, n_resamples=2000, method="BCa", confidence_level=confidence, rng=1)
    resamples = theirs.bootstrap_distribution
    found = statistics.bca_interval(resamples, scores, confidence)
    assert found == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)
    plain = bootstrap(
        by_item, np.mean, n_resamples=0, method="percentile", confidence_level=confidence, bootstrap_result=theirs
    )
    found = statistics.percentile_interval(resamples, confidence)
    assert found == pytest.approx(tuple(plain.confidence_interval), rel=1e-9)


def test_interval_of_equal_scores_has_no_width() -> None:
    scores = np.ones((2, 10))
    samples = distribution(scores)
    assert statistics.percentile_interval(samples, 0.95) == (1, 1)
    assert statistics.bca_interval(samples, scores, 0.95) == (1, 1)


def test_bca_where_only_seeds_differ_is_the_percentile_interval() -> None:
    """No item deviates from the mean, so the acceleration is 0; half of the resamples lie below it: the bias is 0."""
    scores, samples = np.repeat([[0.0], [1.0]], 5, axis=1), np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    assert statistics.bca_interval(samples, scores, 0.8) == pytest.approx((0.1, 0.9))


@pytest.mark.parametrize("side", [-1, 1])
def test_bca_of_resamples_all_on_one_side_is_finite(side: int) -> None:
    """Zero of four resamples below the mean count as 0.5: the bias is the normal quantile of 1/8 (or 7/8)."""
    samples, scores = side * np.array([1.0, 2.0, 3.0, 4.0]), np.zeros((1, 6))
    levels = norm.cdf(2 * norm.ppf(0.5 - side * 3 / 8) + norm.ppf([0.1, 0.9]))
    expected = tuple(np.interp(levels, np.linspace(0, 1, 4), np.sort(samples)))
    assert statistics.bca_interval(samples, scores, 0.8) == pytest.approx(expected)


def test_resamples_equal_to_a_mean_that_is_no_round_number_tie_with_it() -> None:
    """Scores and resamples times three are exact numbers; their interval must be three times as wide."""
    scores, samples = np.array([[1.0, 0.0, 0.0]]), distribution(np.array([[1.0, 0.0, 0.0]]))
    exact = statistics.bca_interval(np.rint(3 * samples), 3 * scores, 0.7)
    assert statistics.bca_interval(samples, scores, 0.7) == pytest.approx(tuple(edge / 3 for edge in exact))


@pytest.mark.parametrize("chance", [0.5, 0.85])
def test_intervals_cover_a_binomial_share(chance: float) -> None:
    trials, covered = 300, {"percentile": 0, "bca": 0}
    for trial in range(trials):
        scores = binary(trial, 1, 100, chance)
        samples = distribution(scores, trial, 600)
        low, high = statistics.percentile_interval(samples, 0.95)
        covered["percentile"] += low <= chance <= high
        low, high = statistics.bca_interval(samples, scores, 0.95)
        covered["bca"] += low <= chance <= high
    assert all(0.90 <= count / trials <= 0.985 for count in covered.values()), covered


def test_intervals_cover_items_and_seeds() -> None:
    """With item and seed effects and ten seeds, an interval over items alone covers far less."""
    trials, covered, items_only = 200, 0, 0
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        chances = 0.5 + rng.uniform(-0.2, 0.2, 100) + rng.normal(0, 0.12, (10, 1))
        scores = (rng.random((10, 100)) < chances).astype(float)
        low, high = statistics.percentile_interval(distribution(scores, trial, 500), 0.95)
        covered += low <= 0.5 <= high
        low, high = statistics.percentile_interval(distribution(scores.mean(axis=0)[None], trial, 500), 0.95)
        items_only += low <= 0.5 <= high
    assert 0.88 <= covered / trials <= 0.99
    assert items_only < covered


def test_bootstrap_p_by_hand() -> None:
    assert statistics.bootstrap_p(np.array([1.0] * 95 + [-1.0] * 4)) == pytest.approx(2 * 5 / 100)
    assert statistics.bootstrap_p(np.zeros(9)) == 1


def test_paired_p_values_are_uniform_without_a_difference() -> None:
    boots, exacts = [], []
    for trial in range(250):
        a, b = binary(2 * trial, 1, 150, 0.5), binary(2 * trial + 1, 1, 150, 0.5)
        means = statistics.resample_means({"a": a, "b": b}, np.random.default_rng(trial), 500)
        boots.append(statistics.bootstrap_p(means["a"] - means["b"]))
        exacts.append(statistics.paired_exact_p((a - b)[0], 1))
    assert kstest(boots, "uniform").statistic < 0.12
    assert np.mean(np.array(boots) < 0.05) < 0.09
    assert np.mean(np.array(exacts) < 0.05) < 0.07  # an exact test rejects at most .05; the rest is chance


def test_bootstrap_p_stays_valid_when_one_side_has_more_draws() -> None:
    """Both sides have the same chance of success; one has three draws, the other one."""
    rejected = 0
    for trial in range(300):
        scores = {"one": binary(2 * trial, 1, 200, 0.3), "three": binary(2 * trial + 1, 3, 200, 0.3)}
        means = statistics.resample_means(scores, np.random.default_rng(trial), 500)
        rejected += statistics.bootstrap_p(means["three"] - means["one"]) < 0.05
    assert rejected / 300 < 0.08


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_greedy_answers_give_mcnemars_exact_test(only_a: int, only_b: int, ties: int) -> None:
    difference = np.array([1.0] * only_a + [-1.0] * only_b + [0.0] * (ties + 1))
    expected = mcnemar([[ties, only_a], [only_b, 1]], exact=True).pvalue if only_a + only_b else 1.0
    assert statistics.paired_exact_p(difference, 1) == pytest.approx(expected, rel=1e-9)


def test_exact_p_of_several_samples_by_enumeration() -> None:
    steps = np.array([3, 2, -1, 1, 0, 2, -3, 3])
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(steps))).reshape(len(steps), -1)
    expected = (np.abs(steps @ signs) >= abs(steps.sum())).mean()
    assert statistics.paired_exact_p(steps / 3, 3) == pytest.approx(expected)


def test_exact_p_takes_the_nearest_whole_numbers() -> None:
    difference = np.array([0.29, 0.58, 0.57])
    assert (100 * difference).astype(int).tolist() == [28, 57, 56]  # truncation would give these
    assert statistics.paired_exact_p(difference, 100) == 2 / 8


def test_exact_p_is_at_most_1() -> None:
    assert statistics.paired_exact_p(np.array([1.0, -1.0] * 38), 1) == 1  # rounding makes the sum more than 1


def test_exact_p_refuses_a_wrong_number_of_samples() -> None:
    with pytest.raises(ValueError, match="1/2"):
        statistics.paired_exact_p(np.array([1 / 3]), 2)


def test_discordance_by_hand() -> None:
    method, baseline = np.array([[1.0, 1, 0, 0], [1, 0, 0, 0]]), np.array([[0.0, 1, 1, 0], [0, 1, 0, 0]])
    # Means by item: 1, 1/2, 0, 0 against 0, 1, 1/2, 0.
    assert statistics.discordance(method, baseline) == (1.0, 1.0)


def test_holm_agrees_with_statsmodels() -> None:
    p_values = [0.03, 0.2, 0.001, 0.03, 0.9, 0.0, 0.04, 1.0, 0.011]
    assert statistics.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert len(statistics.holm([])) == 0


@pytest.mark.parametrize(
    ("chosen", "level", "power"),
    [
        ({}, 1.959964, 0.841621),
        ({"alpha": 0.2, "power": 0.9}, 1.281552, 1.281552),
        ({"power": 0.6}, 1.959964, 0.253347),
    ],
)
@pytest.mark.parametrize(("n", "psi"), [(300, 0.3), (40, 0.6)])
def test_minimum_detectable_difference_solves_connors_formula(
    n: int, psi: float, chosen: dict[str, float], level: float, power: float
) -> None:
    found = statistics.minimum_detectable_difference(n, psi, **chosen)
    needed = (level * math.sqrt(psi) + power * math.sqrt(psi - found**2)) ** 2 / found**2
    assert needed == pytest.approx(n, rel=1e-5)


def test_minimum_detectable_difference_at_its_limits() -> None:
    assert math.isnan(statistics.minimum_detectable_difference(300, 0.0))
    # With one item, no difference has the wanted power, not even 1: the formula gives more than 1.
    assert math.isnan(statistics.minimum_detectable_difference(1, 1.0)), "not even a difference of 1 would be found"
    assert math.isnan(statistics.minimum_detectable_difference(300, 1 / 300))


def test_minimum_detectable_difference_has_the_promised_power() -> None:
    n, psi = 300, 0.3
    difference = statistics.minimum_detectable_difference(n, psi)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(n, [(psi + difference) / 2, (psi - difference) / 2, 1 - psi], size=400)
    p_values = [
        statistics.paired_exact_p(np.array([1.0] * more + [-1.0] * less + [0.0]), 1) for more, less, _ in counts
    ]
    assert 0.70 <= np.mean(np.array(p_values) < 0.05) <= 0.86  # the exact test is slightly conservative


@given(st.integers(2, 5000), st.floats(0.0, 1.0))
def test_no_difference_above_the_discordant_share_is_promised(items: int, discordant: float) -> None:
    found = statistics.minimum_detectable_difference(items, discordant)
    assert math.isnan(found) or 0 < found <= discordant


@given(st.lists(st.floats(0.0, 1.0) | st.just(math.nan), min_size=1, max_size=8))
def test_what_is_no_test_does_not_count_in_its_family(p_values: list[float]) -> None:
    adjusted = statistics.holm(p_values)
    tested = [value for value in p_values if not math.isnan(value)]
    np.testing.assert_array_equal(adjusted[~np.isnan(p_values)], statistics.holm(tested) if tested else [])
    assert np.isnan(adjusted[np.isnan(p_values)]).all()


@pytest.mark.parametrize("items", [60, 1200])
def test_an_exact_p_is_never_zero(items: int) -> None:
    found = statistics.paired_exact_p(np.ones(items), 1)
    assert found == max(2.0 ** (1 - items), 5e-324) > 0


@given(st.integers(2, 9), st.integers(1, 8), st.integers(5, 40))
def test_equal_items_have_no_acceleration(seeds: int, right: int, items: int) -> None:
    """Whatever the number of seeds: 5/6 of 12 items has a mean that is not exactly 5/6."""
    scores = np.repeat((np.arange(seeds) < right).astype(float)[:, None], items, axis=1)
    samples = statistics.resample_means({"m": scores}, np.random.default_rng(0), 200)["m"]
    assert statistics.bca_interval(samples, scores, 0.9) == statistics.bca_interval(samples, scores[:, :1], 0.9)
