"""Computes intervals and tests from item scores: pure functions of numpy arrays and a seeded generator.

Scores of one method are a matrix of shape (seeds, items) with values in [0, 1]: 0/1 for greedy decoding, the mean
over samples for sampled decoding.  Column j is the same test item for every method, so comparisons are paired.

The bootstrap has two levels: items are drawn with replacement, jointly for all seeds and methods, and each method's
seeds are drawn with replacement independently.  With a single seed it is the ordinary bootstrap over items, which says
nothing about other training runs.  With few seeds it understates the variance between seeds by (S - 1) / S.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CHUNK = 1000  # resamples whose weights are in memory at the same time: 1000 x 1319 items x 8 bytes = 10 MB
NORMAL = NormalDist()
LEAST_P = float(np.nextafter(0.0, 1.0))  # an exact p-value is never 0, but it can be too small for a float
DIGITS = 12  # means are rounded: summed in another order, equal means differ in their last bits


def resample_means(scores: Mapping[str, Array], rng: np.random.Generator, resamples: int) -> dict[str, Array]:
    """Bootstrap distribution of each method's mean score, items drawn jointly for all methods.

    A resample is a vector of item counts w and of seed counts v, and its mean is v' X w / (S n): a matrix product.
    The difference of two methods' distributions is therefore the paired bootstrap distribution of the difference.

    Args:
        scores: (seeds, items) for each method; methods may differ in the number of seeds, not of items.
        rng: its children (one for the items, then one per method) draw, so that a method added at the end does not
            change the numbers of the others.
        resamples: number of resamples R.

    Returns:
        (R,) for each method.

    Raises:
        ValueError: a matrix is empty, does not have two dimensions, or has another number of items.
    """
    sizes = {name: matrix.shape for name, matrix in scores.items()}
    if any(len(shape) != 2 or 0 in shape for shape in sizes.values()) or len({s[1] for s in sizes.values()}) != 1:
        raise ValueError(f"scores must be (seeds, items) with the same items for every method; got {sizes}")
    items = next(iter(sizes.values()))[1]
    item_rng, *seed_rngs = rng.spawn(1 + len(scores))
    means = {name: np.empty(resamples) for name in scores}
    for start in range(0, resamples, CHUNK):
        count = min(CHUNK, resamples - start)
        weights = _weights(item_rng, count, items)
        for seed_rng, (name, matrix) in zip(seed_rngs, scores.items(), strict=True):
            by_seed = weights @ matrix.T
            seed_weights = _weights(seed_rng, count, len(matrix))
            means[name][start : start + count] = (by_seed * seed_weights).sum(axis=1).round(DIGITS)
    return means


def _weights(rng: np.random.Generator, count: int, size: int) -> Array:
    """Random weights, (count, size): shares of ``size`` draws with replacement that hit each element; rows sum to 1."""
    drawn = rng.integers(size, size=(count, size)) + np.arange(count)[:, None] * size
    return np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size) / size


def percentile_interval(samples: Array, confidence: float) -> tuple[float, float]:
    """Percentile interval of a bootstrap distribution (Efron & Tibshirani 1993, section 13.3)."""
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bca_interval(samples: Array, scores: Array, confidence: float) -> tuple[float, float]:
    """Bias-corrected and accelerated interval of a mean score (Efron & Tibshirani 1993, section 14.3).

    The acceleration is from the jackknife over items, each left out for all seeds at once.  Resamples equal to the
    estimate count half in the bias.  When all resamples are equal, both ends are the estimate.

    Args:
        samples: (resamples,) from ``resample_means``.
        scores: (seeds, items), from which the samples were drawn.
        confidence: e.g. 0.95.
    """
    estimate = round(float(scores.mean()), DIGITS)
    below = ((samples < estimate).mean() + (samples <= estimate).mean()) / 2
    bias = NORMAL.inv_cdf(float(np.clip(below, 0.5 / len(samples), 1 - 0.5 / len(samples))))
    by_item = scores.mean(axis=0)
    # The mean without item j is (n m - x_j) / (n - 1); its deviation from the mean of all these is (x_j - m) / (n - 1).
    deviations = by_item - by_item.mean()
    spread = (deviations**2).sum()
    # Equal items differ by rounding alone, of which the formula would make a skewness.
    acceleration = (deviations**3).sum() / (6 * spread**1.5) if np.ptp(by_item) > 10.0**-DIGITS else 0.0
    levels = []
    for level in ((1 - confidence) / 2, (1 + confidence) / 2):
        shifted = bias + NORMAL.inv_cdf(level)
        levels.append(NORMAL.cdf(bias + shifted / (1 - acceleration * shifted)))
    low, high = np.quantile(samples, levels)
    return float(low), float(high)


def bootstrap_p(differences: Array) -> float:
    """Two-sided p-value of a paired bootstrap: the level at which the percentile interval just touches 0.

    p = 2 min(#{d* <= 0} + 1, #{d* >= 0} + 1) / (R + 1), at most 1 (Davison & Hinkley 1997, section 4.4, with their
    + 1, so that p is never 0).
    """
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, float(2 * (tail + 1) / (len(differences) + 1)))


def paired_exact_p(difference: Array, samples: int) -> float:
    """Exact two-sided paired test of two runs; for greedy answers it is McNemar's exact test.

    Under the null hypothesis each item's difference is as likely as its negative, so the p-value is the share of
    all 2^n sign flips whose sum is at least as far from 0 as the observed one.  For differences in {-1, 0, 1} the
    sum over the flips is binomial in the number of discordant items, which is McNemar's exact test (McNemar 1947).
    With several samples, each item's difference is that of its mean scores: an item enters once, so repeated answers
    to it are not counted as independent.  The test is conditional on the two runs.  Both must have the same number of
    samples: means over different numbers of draws are not exchangeable.

    Args:
        difference: (items,) mean score of the method less that of the baseline.
        samples: completions per item, so that difference * samples is a whole number for every item.

    Raises:
        ValueError: a difference is not a multiple of 1 / samples.
    """
    steps = np.rint(difference * samples).astype(int)
    if not np.allclose(steps, difference * samples, atol=1e-6):
        raise ValueError(f"item differences are not multiples of 1/{samples}")
    steps //= np.gcd.reduce(steps) or 1  # the same p, found sooner
    sizes = np.abs(steps[steps != 0])
    reach = int(sizes.sum())
    chances = np.zeros(2 * reach + 1)  # of the sums -reach .. reach
    chances[reach] = 1.0
    for size in sizes:
        flipped = np.zeros_like(chances)
        flipped[size:] += chances[:-size] / 2
        flipped[:-size] += chances[size:] / 2
        chances = flipped
    observed = abs(int(steps.sum()))
    found = float(chances[np.abs(np.arange(-reach, reach + 1)) >= observed].sum())
    return min(1.0, max(found, LEAST_P))


def discordance(method: Array, baseline: Array) -> tuple[float, float]:
    """How many items only the method, and how many only the baseline, answers correctly.

    Both are means over all pairs of a method's seed and a baseline's seed: whole numbers where each has one greedy
    run.  Their difference is n times the difference in accuracy.
    """
    ours, theirs = method.mean(axis=0), baseline.mean(axis=0)
    return float((ours * (1 - theirs)).sum()), float((theirs * (1 - ours)).sum())


def holm(p_values: Sequence[float]) -> Array:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given.

    All values passed are one family.  A nan is no test: it stays nan and does not count.
    """
    values = np.asarray(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    stepped = np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1))
    adjusted = np.full_like(values, np.nan)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def minimum_detectable_difference(items: int, discordant: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true difference in accuracy that a paired two-sided test finds with the given power.

    Solves n = (z_a sqrt(psi) + z_b sqrt(psi - d^2))^2 / d^2 for d, the sample size of McNemar's test
    (Connor 1987, Biometrics 43:207-211), psi being the share of discordant items, for which the observed
    share is passed.  It holds for one seed on each side, without correction for several tests.

    Args:
        items: n, number of paired items.
        discordant: psi in [0, 1].
        alpha: two-sided level.
        power: desired power, above 0.5.

    Returns:
        Difference in accuracy; nan where no item is discordant, since psi is unknown then, and where the difference
        would have to exceed psi, which it cannot.
    """
    if discordant <= 0:
        return math.nan
    level, wanted = NORMAL.inv_cdf(1 - alpha / 2), NORMAL.inv_cdf(power)
    inner = max(0.0, items + wanted**2 - level**2)
    found = math.sqrt(discordant) * (level * math.sqrt(items) + wanted * math.sqrt(inner)) / (items + wanted**2)
    return found if found <= discordant else math.nan
