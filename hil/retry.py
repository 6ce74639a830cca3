"""What kind of retry a series of gaps between attempts shows. Pure arithmetic; the timeline is not touched.

    classify([1.02, 2.05, 3.98, 8.1, 8.0]).kind   ->  "exponential", with a ceiling of 8 s

**The method.** Four families of models are held against the gaps, and each gets its evidence: how probable it makes
these gaps, averaged over what its parameters may be. The kind with most evidence wins; its share of all evidence is the
confidence. A family that could have made anything makes nothing in particular probable, so parameters cost by
themselves: three gaps never give certainty, and a straight line with noise is not taken for a curve.

| kind               | the n-th gap, counted from the last reset                                               |
|--------------------|-----------------------------------------------------------------------------------------|
| none               | there are no gaps: it did not try again                                                 |
| constant           | c; or random in [(1-j)c, c]                                                             |
| linear             | a + b n; or random in [(1-j) of it, all of it], which is held for rare                  |
| exponential        | a r^n                                                                                   |
| exponential-jitter | random in [(1-j) a r^n, a r^n] (j = 1: full jitter, 1/2: equal jitter), or decorrelated     |

Decorrelated: random between the first gap and three times the one before. All but the first kind may stop growing at a
ceiling, and may begin anew where a gap falls to less than half (the back-off was reset). What is measured is longer
than the device's pause by the handshake (an unknown constant up to the shortest gap), and blurred by a few per cent and
by `noise` seconds; one gap in thirty may be off altogether.

Models without jitter are linear least squares in the gaps or in their logarithms, with Laplace's approximation for the
evidence; those with jitter have densities with edges, so they are summed over a grid.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Kind = Literal["none", "constant", "linear", "exponential", "exponential-jitter"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_BLURS: Final = ((0.01, 0.25), (0.025, 0.25), (0.06, 0.25), (0.01, 1.0), (0.025, 1.0), (0.06, 1.0))
"""How far a gap without jitter may be off: as a part of it (timers, clocks), and in parts of `noise` (a busy host)."""
_WIDE_BLURS: Final = ((0.12, 0.25), (0.12, 1.0))
_OUTLIER: Final = math.log(0.03 * 0.3)
"""Log density of a gap that is off altogether: one in thirty, somewhere in a range of a factor of 30."""
_SIZES: Final = 7.0
"""Width of the prior of a size, in logarithms: a first gap is known to a factor of a thousand."""
_RATES: Final = (math.log(1.25), math.log(6.0))
"""Logarithms of the smallest and the largest growth per gap."""
_RATE_GRID: Final = (1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
_STEPS: Final = (0.1, 10.0)
"""Smallest and largest step of a linear back-off, as a multiple of the first gap."""
_STEP_GRID: Final = (0.2, 0.5, 1.0, 2.0)
_JITTERS: Final = (0.35, 0.5, 0.7, 1.0)
_OVERHEADS: Final = (0.0, 0.3, 0.6, 0.85)
"""What part of the shortest gap the handshake may be."""
_VISIBLE: Final = 1.4
"""Gaps that grow without jitter grow by this factor in all at least, handshake included."""
_FAR_OFF: Final = 4.0
"""Deviations beyond which a gap is off altogether."""
_GRID_STEP: Final = 0.1
_ROOT: Final = math.sqrt(2 * math.pi)
_MOST_GAPS: Final = 60
"""More gaps than this add nothing but time."""


@dataclass(frozen=True, slots=True)
class RetryPattern:
    """What the gaps show.

    `growth`: by what factor a gap is longer than the one before (1: they stay the same; for linear an average).
    `ceiling`: where the gaps stop growing, in seconds, if they do. `jitter`: the part of a gap that is random, 0 to 1.
    `resets`: at which gaps the back-off began anew. `shares`: of the evidence, for each kind; they add up to 1.
    """

    kind: Kind
    confidence: float
    growth: float
    gaps: tuple[float, ...]
    ceiling: float | None = None
    jitter: float = 0.0
    resets: tuple[int, ...] = ()
    shares: Mapping[Kind, float] = field(default_factory=dict)

    @property
    def grows(self) -> bool:
        """Whether the gaps grow, whatever the way, rather than not: with at least four of them."""
        return len(self.gaps) >= 4 and self.likely("linear", "exponential", "exponential-jitter") > 0.5

    @property
    def typical(self) -> float:
        """The median gap in seconds; 0 without any."""
        return sorted(self.gaps)[len(self.gaps) // 2] if self.gaps else 0.0

    def likely(self, *kinds: Kind) -> float:
        """How likely it is one of these kinds, 0 to 1."""
        return sum(self.shares.get(kind, 0.0) for kind in kinds)

    def __str__(self) -> str:
        shown = ", ".join(f"{gap:.2f}" for gap in self.gaps[:12]) + (", ..." if len(self.gaps) > 12 else "")
        return f"{self.kind} ({self.confidence:.0%} sure) from gaps of {shown or 'none'} s"


@dataclass(frozen=True, slots=True)
class _Fit:
    """One model: the logarithm of its evidence, and what it says of the gaps."""

    kind: Kind
    evidence: float
    growth: float = 1.0
    ceiling: float | None = None
    jitter: float = 0.0
    resets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Series:
    """The gaps as one hypothesis about resets sees them: `place` counts each gap from the last reset on."""

    gaps: tuple[float, ...]
    place: tuple[int, ...]
    resets: tuple[int, ...]
    most: float | None
    noise: float
    prior: float  # logarithm

    def density(self, index: int, model: float, blur: tuple[float, float]) -> float:
        """Log density of a gap's logarithm around what a model says."""
        deviation = math.hypot(blur[0], blur[1] * self.noise / model)
        off = math.log(self.gaps[index] / model) / deviation
        return max(math.log(0.97 / (deviation * _ROOT)) - off * off / 2, _OUTLIER)


def classify(gaps: Sequence[float], most: float | None = None, *, noise: float = 0.04) -> RetryPattern:
    """The kind of retry that `gaps` (seconds, oldest first) show.

    `most`: the ceiling that the firmware promises, if it does; without it a ceiling is looked for. `noise`: how
    far the host's scheduling moves a gap, in seconds. Raises ValueError for a gap of no length.
    """
    if any(gap <= 0 for gap in gaps):
        raise ValueError(f"gaps must be longer than 0 s, found {list(gaps)}")
    whole = tuple(float(gap) for gap in gaps)
    if not whole:
        return RetryPattern("none", 1.0, 1.0, (), shares={"none": 1.0})
    if len(whole) == 1:
        return RetryPattern("constant", 0.25, 1.0, whole, shares=dict.fromkeys(KINDS[1:], 0.25))
    fits = [fit for series in _readings(whole[:_MOST_GAPS], most, noise) for fit in _fits(series)]
    total = _sum(fit.evidence for fit in fits)
    shares = {kind: math.exp(_sum(f.evidence for f in fits if f.kind == kind) - total) for kind in KINDS[1:]}
    kind = max(shares, key=lambda k: shares[k])
    best = max((fit for fit in fits if fit.kind == kind), key=lambda fit: fit.evidence)
    return RetryPattern(kind, shares[kind], best.growth, whole, best.ceiling, best.jitter, best.resets, shares)


def _readings(gaps: tuple[float, ...], most: float | None, noise: float) -> Iterator[_Series]:
    """The hypotheses about resets: none; all places where a gap falls deep; each of them alone."""
    falls = [i for i in range(1, len(gaps)) if gaps[i] < 0.5 * gaps[i - 1]]
    deepest = sorted(falls, key=lambda i: gaps[i] / gaps[i - 1])[:2]
    choices: list[tuple[int, ...]] = [(), tuple(falls), *((i,) for i in deepest)]
    for resets in dict.fromkeys(choices):
        starts = (0, *resets)
        place = tuple(i - max(start for start in starts if start <= i) for i in range(len(gaps)))
        yield _Series(gaps, place, resets, most, noise, -len(resets) * math.log(3.0 * len(gaps)))


def _fits(series: _Series) -> Iterator[_Fit]:
    if not series.resets:
        yield from _constant(series)
    yield from _linear(series)
    yield from _exponential(series)
    yield from _jittered(series)
    if not series.resets:
        yield from _decorrelated(series)


# -- without jitter ----------------------------------------------------------------------------------------------------


def _constant(series: _Series) -> Iterator[_Fit]:
    size = math.exp(sum(math.log(gap) for gap in series.gaps) / len(series.gaps))
    blurs = (*_BLURS, *_WIDE_BLURS)
    for blur in blurs:
        found = sum(series.density(i, size, blur) for i in range(len(series.gaps)))
        width = math.hypot(blur[0], blur[1] * series.noise / size) * _ROOT / math.sqrt(len(series.gaps))
        yield _Fit("constant", series.prior + found + _cost(width / _SIZES) - math.log(len(blurs)))


def _linear(series: _Series) -> Iterator[_Fit]:
    for growing, flat, odds in _ceilings(series):
        for blur in _BLURS:
            weights = {i: (math.hypot(blur[0] * series.gaps[i], blur[1] * series.noise)) ** -2 for i in growing}
            line = _robust_line([(series.place[i], series.gaps[i], weights[i]) for i in growing])
            if line is None:
                continue
            first, step, spread = line
            if first <= 0 or not _STEPS[0] <= step / first <= _STEPS[1]:
                continue
            ceiling = _flat(series, flat)
            last = first + step * max(series.place[i] for i in growing)
            if last < _VISIBLE * first:
                continue
            if ceiling is not None and not 0.9 * last <= ceiling <= 1.1 * (last + step):
                continue
            found = sum(series.density(i, first + step * series.place[i], blur) for i in growing)
            found += sum(series.density(i, ceiling, blur) for i in flat) if ceiling is not None else 0.0
            cost = _cost(spread * _ROOT**2 / (_SIZES * first * math.log(_STEPS[1] / _STEPS[0]) * step))
            growth = (last / first) ** (1 / max(series.place[i] for i in growing))
            evidence = series.prior + odds + found + cost - math.log(1.1 * len(_BLURS))
            yield _Fit("linear", evidence, growth, ceiling, 0.0, series.resets)


def _exponential(series: _Series) -> Iterator[_Fit]:
    shortest = min(series.gaps)
    for growing, flat, odds in _ceilings(series):
        for blur in _BLURS:
            for part in _OVERHEADS:
                overhead = part * shortest
                points = []
                for i in growing:
                    pause = series.gaps[i] - overhead
                    deviation = math.hypot(blur[0] * series.gaps[i], blur[1] * series.noise) / pause
                    points.append((series.place[i], math.log(pause), deviation**-2))
                line = _line(points)
                if line is None or not _RATES[0] <= line[1] <= _RATES[1]:
                    continue
                size, rate, spread = line
                ceiling = _flat(series, flat)
                last = overhead + math.exp(size + rate * max(series.place[i] for i in growing))
                if last < _VISIBLE * (overhead + math.exp(size)):
                    continue
                if ceiling is not None and not 0.9 * last <= ceiling <= 1.1 * last * math.exp(rate):
                    continue
                found = sum(
                    series.density(i, overhead + math.exp(size + rate * series.place[i]), blur) for i in growing
                )
                found += sum(series.density(i, ceiling, blur) for i in flat) if ceiling is not None else 0.0
                cost = _cost(spread * _ROOT**2 / (_SIZES * (_RATES[1] - _RATES[0])))
                evidence = series.prior + odds + found + cost - math.log(len(_BLURS) * len(_OVERHEADS))
                yield _Fit("exponential", evidence, math.exp(rate), ceiling, 0.0, series.resets)


def _ceilings(series: _Series) -> Iterator[tuple[list[int], list[int], float]]:
    """Which gaps grow, which are at the ceiling, and the log prior of it. At least two different places grow."""
    longest = max(series.place)
    everything = list(range(len(series.gaps)))
    yield everything, [], math.log(0.5)
    for first_flat in range(2 if series.most else 3, longest + 1):
        flat = [i for i in everything if series.place[i] >= first_flat]
        growing = [i for i in everything if series.place[i] < first_flat]
        level = _flat(series, flat)
        promised = series.most is not None and level is not None and 0.9 < level / series.most < 1.25
        yield growing, flat, math.log(0.5 if promised else 0.25 / (longest - 1))


def _flat(series: _Series, flat: Sequence[int]) -> float | None:
    return math.exp(sum(math.log(series.gaps[i]) for i in flat) / len(flat)) if flat else None


def _line(points: Sequence[tuple[int, float, float]]) -> tuple[float, float, float] | None:
    """Weighted least squares through (x, y, weight): value at 0, slope, and the root of the covariance's determinant;
    None where all x are one."""
    total = sum(w for _, _, w in points)
    mean_x = sum(w * x for x, _, w in points) / total
    mean_y = sum(w * y for _, y, w in points) / total
    square = sum(w * (x - mean_x) ** 2 for x, _, w in points)
    if square <= 0:
        return None
    slope = sum(w * (x - mean_x) * (y - mean_y) for x, y, w in points) / square
    return mean_y - slope * mean_x, slope, (total * square) ** -0.5


def _robust_line(points: Sequence[tuple[int, float, float]]) -> tuple[float, float, float] | None:
    """The same, without the one point that is farthest off, if it is off altogether: one late gap bends no line."""
    line = _line(points)
    if line is None or len(points) < 5:
        return line

    def off(left_out: int) -> tuple[float, tuple[float, float, float] | None]:
        kept = [point for number, point in enumerate(points) if number != left_out]
        found = _line(kept)
        if found is None:
            return math.inf, None
        return sum(w * (y - found[0] - found[1] * x) ** 2 for x, y, w in kept), found

    whole = sum(w * (y - line[0] - line[1] * x) ** 2 for x, y, w in points)
    least, better = min((off(number) for number in range(len(points))), key=lambda pair: pair[0])
    return better if better is not None and whole - least > _FAR_OFF**2 else line


def _cost(part: float) -> float:
    """What a parameter costs: the part of its prior range that the data leave to it, at most all of it."""
    return min(0.0, math.log(part))


# -- with jitter -------------------------------------------------------------------------------------------------------


def _jittered(series: _Series) -> Iterator[_Fit]:
    """Random between a part of the model and all of it. A shape is what a model of first gap 1 says for each gap."""
    shapes: list[tuple[Kind, float, float, float]] = []
    if not series.resets:
        shapes.append(("constant", 1.0, 0.0, 0.5))
    shapes += [("linear", 1.0, step, 0.1 / len(_STEP_GRID)) for step in _STEP_GRID]
    shapes += [("exponential-jitter", rate, 0.0, 0.7 / len(_RATE_GRID)) for rate in _RATE_GRID]
    for kind, rate, step, prior in shapes:
        plain = [rate**place + step * place for place in series.place]
        for top, odds in _tops(plain):
            shape = [min(value, top) for value in plain]
            for jitter in _JITTERS:
                found, size = _sum_over_sizes(series, shape, jitter)
                evidence = series.prior + found + math.log(prior * odds / len(_JITTERS))
                ceiling = size * top if top < max(plain) else None
                yield _Fit(kind, evidence, rate if not step else (shape[-1]) ** (1 / max(series.place[-1], 1)),
                           ceiling, jitter, series.resets)  # fmt: skip


def _tops(plain: Sequence[float]) -> list[tuple[float, float]]:
    """Ceilings of a shape, each with its prior: none, or at one of its values."""
    values = sorted(set(plain))[2:-1]
    if not values:
        return [(math.inf, 1.0)]
    chosen = values if len(values) <= 5 else values[:: math.ceil(len(values) / 5)]
    return [(math.inf, 0.5), *((value, 0.5 / len(chosen)) for value in chosen)]


def _sum_over_sizes(series: _Series, shape: Sequence[float], jitter: float) -> tuple[float, float]:
    """The evidence summed over the first gap's size, and the best size.

    Only sizes at which most gaps lie between the edges count; edges are as soft as the noise.
    """
    highest = sorted(math.log(gap / part) for gap, part in zip(series.gaps, shape, strict=True))
    low = highest[-1 - len(highest) // 12] - _GRID_STEP
    pairs = list(zip(series.gaps, shape, strict=True))
    best, size = -math.inf, math.exp(low)
    values = []
    for number in range(int((1.5 - math.log(max(1.05 - jitter, 0.05))) / _GRID_STEP)):
        tried = math.exp(low + number * _GRID_STEP)
        value = _all_edged(pairs, tried, jitter, series.noise)
        if value > best:
            best, size = value, tried
        elif value < best - 6:
            break
        values.append(value)
    return _sum(values) + math.log(_GRID_STEP / _SIZES), size


def _all_edged(pairs: Sequence[tuple[float, float]], size: float, jitter: float, noise: float) -> float:
    """The sum of `_edged` over gaps and their parts of `size`. Nearly all of the time goes here: it calls nothing."""
    value, log, floor = 0.0, math.log, 1 - jitter
    for gap, part in pairs:
        top = size * part
        one = log(0.97 * gap / (jitter * top + noise))
        off = gap - top if gap > top else floor * top - gap
        if off > 0:
            one -= off * off / (2 * (noise * noise + 0.0004 * top * top))
        value += one if one > _OUTLIER else _OUTLIER
    return value


def _edged(gap: float, top: float, jitter: float, noise: float) -> float:
    """Log density of a gap's logarithm, the gap being random in [(1-jitter) top, top], with soft edges."""
    bottom = (1 - jitter) * top
    off = (gap - top if gap > top else bottom - gap if gap < bottom else 0.0) / math.hypot(noise, 0.02 * top)
    return max(math.log(0.97 * gap / (jitter * top + noise)) - off * off / 2, _OUTLIER)


def _decorrelated(series: _Series) -> Iterator[_Fit]:
    """Each gap is random between the first and three times the one before, up to a ceiling."""
    shortest, longest = min(series.gaps), max(series.gaps)
    for part in (1.0, 0.8, 0.6):
        first = part * shortest
        for ceiling in (None, longest):
            if ceiling is not None and ceiling < 2 * first:
                continue  # with a ceiling at the first gap all gaps are equal: another kind
            found = -math.log(_SIZES) - math.log(3.0)
            for before, gap in itertools.pairwise((first, *series.gaps)):
                top = max(3 * before, first * 1.2)
                reached = ceiling is not None and top > ceiling and gap > 0.95 * ceiling
                if reached and ceiling is not None:
                    share = max((top - ceiling) / (top - first), 0.05)
                    found += math.log(share) + series.density(series.gaps.index(gap), ceiling, _BLURS[-1])
                else:
                    found += _edged(gap, top, 1 - first / top, series.noise)
            odds = 0.3 * (0.7 if ceiling is None else 0.1)
            yield _Fit("exponential-jitter", series.prior + found + math.log(odds), 1.5, ceiling, 1.0)


def _sum(values: Iterable[float]) -> float:
    """log(exp(a) + exp(b) + ...)."""
    kept = list(values)
    most = max(kept, default=-math.inf)
    return most if most == -math.inf else most + math.log(sum(math.exp(value - most) for value in kept))
