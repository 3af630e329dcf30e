"""What the measurement must show: ratios within one run, never times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glimpse_peers.cells import ABSENT
from glimpse_peers.labels import CPU, MODELS, PROVIDER
from glimpse_peers.objects import MEGABYTES_PER_SECOND, ROUND_TRIP_MS
from glimpse_peers.pictures import CLOSE, HEIC, LARGE, SMALL, UNSURE
from glimpse_peers.results import OTHER, SHARED, Results
from glimpse_peers.statistics import Spread, percentile, ratio, spread

AMX = "AMX"
SAME = 0.995
"""Share of pictures with the same label by both providers."""
FUNCTION = "cold start, model in a folder: Glimpse's function"
FLOOR = f"{FUNCTION} / what cannot be avoided (library, session, first run)"
SLOW = f"cold start, S3 {ROUND_TRIP_MS} ms and {MEGABYTES_PER_SECOND} MB/s away / transfer of the graph, session, first run"
LITE = ", imagenet-lite"
OPENVINO = "Glimpse's server with the OpenVINO provider / Python server with OpenVINO"
BEFORE = "Glimpse's server / the build before"


@dataclass(frozen=True)
class Goal:
    """A ratio and its limit, if it has one."""

    name: str
    limit: float | None
    found: Spread | None
    at_least: bool = False
    digits: int = 2

    @property
    def wanted(self) -> str:
        """The limit, and the side of it that is wanted."""
        if self.limit is None:
            return ABSENT
        return f"{'≥' if self.at_least else '≤'} {self.limit:.{self.digits}f}"

    @property
    def verdict(self) -> str:
        """Whether the median is on that side."""
        if self.found is None or self.limit is None:
            return ""
        # What is shown is what counts.
        found = round(self.found.median, self.digits)
        good = found >= self.limit if self.at_least else found <= self.limit
        return "met" if good else "**missed**"


def goals(results: Results) -> list[Goal]:
    """All goals, measured or not."""
    starts = results.get("starts", {})
    amx = results.get("machine", {}).get("processor_class") == AMX
    return [
        _outputs(results.get("outputs", {})),
        *_cold(starts),
        *_warm(starts, amx),
        *_throughput(results.get("throughput", {}), amx),
        *_edge(results.get("edge", {})),
        *_labels(results.get("labels", {})),
    ]


def unavoidable_from_s3(starts: Results, model: str) -> list[float]:
    """The graph's transfer, then the session and its first run, each alone; round by round, ms."""
    stages = starts.get("floor", {}).get("s3-slow", {}).get(model, {})
    parts = (stages.get(name, []) for name in ("transfer", "session", "first_run"))
    return [sum(of_round) for of_round in zip(*parts, strict=True)]


def _cold(starts: Results) -> list[Goal]:
    cold, floors = starts.get("cold", {}), starts.get("floor", {})

    def of(place: str, key: str) -> list[float]:
        return list(cold.get(place, {}).get(key, []))

    def floor(model: str) -> list[float]:
        return list(floors.get("folder", {}).get(model, {}).get("total", []))

    return [
        Goal(
            f"{FUNCTION} / Python handler",
            0.35,
            ratio(of("folder", "function"), of("folder", "handler")),
        ),
        Goal(
            FLOOR,
            1.25,
            ratio(of("folder", "function"), floor("resnet50")),
        ),
        Goal(
            FLOOR + LITE,
            1.25,
            ratio(of("folder", "function-imagenet-lite"), floor("imagenet-lite")),
        ),
        Goal(
            SLOW,
            1.10,
            ratio(of("s3-slow", "function"), unavoidable_from_s3(starts, "resnet50")),
        ),
        Goal(
            SLOW + LITE,
            1.10,
            ratio(
                of("s3-slow", "function-imagenet-lite"),
                unavoidable_from_s3(starts, "imagenet-lite"),
            ),
        ),
    ]


def _warm(starts: Results, amx: bool) -> list[Goal]:
    def medians(key: str, kind: str) -> list[float]:
        blocks = starts.get("warm", {}).get(key, {}).get(kind, [])
        return [found.median for block in blocks if (found := spread(block))]

    def peak(key: str) -> Sequence[float]:
        return list(starts.get("memory", {}).get(key, {}).get("peak", []))

    return [
        Goal(
            f"warm, {SMALL}: Glimpse's function / Python handler",
            1.0,
            ratio(medians("function", SMALL), medians("handler", SMALL)),
        ),
        Goal(
            f"warm, {LARGE}: Glimpse's function / Python handler with `draft`",
            1.0,
            ratio(medians("function", LARGE), medians("handler-draft", LARGE)),
        ),
        Goal(
            f"warm, {CLOSE}: Glimpse's function / Python handler, which has the same labels",
            1.0,
            ratio(medians("function", CLOSE), medians("handler", CLOSE)),
        ),
        Goal(
            f"warm, {HEIC}: Glimpse's function / Python handler",
            1.0,
            ratio(medians("function", HEIC), medians("handler", HEIC)),
        ),
        Goal(
            "peak memory: Glimpse's function / Python handler with `draft`",
            1.0,
            ratio(peak("function"), peak("handler-draft")),
        ),
        Goal(
            f"warm, {SMALL}: {OPENVINO}",
            0.85 if amx else 1.0,
            ratio(medians("serve-openvino", SMALL), medians("openvino", SMALL)),
        ),
        # Only the first runs both providers, so that no limit would be fair; a reader wants to know.
        Goal(
            f"warm, {UNSURE}: {OPENVINO}",
            None,
            ratio(medians("serve-openvino", UNSURE), medians("openvino", UNSURE)),
        ),
    ]


def _throughput(measured: Results, amx: bool) -> list[Goal]:
    def rates(key: str) -> list[float]:
        return [seen["rate"] for seen in measured.get(key, {}).get("16", [])]

    rounds = [seen["times_ms"] for seen in measured.get("serve", {}).get("16", [])]
    tails, middles = ([percentile(times, percent) for times in rounds] for percent in (99, 50))
    pairs = [(tail, middle) for tail, middle in zip(tails, middles, strict=True) if tail and middle]
    return [
        Goal(
            f"16 clients, answers a second: {OPENVINO}",
            1.2 if amx else 1.0,
            ratio(rates("serve-openvino"), rates("openvino")),
            at_least=True,
        ),
        Goal(
            "16 clients, Glimpse's server: p99 / p50",
            2.0,
            spread([tail / middle for tail, middle in pairs]),
        ),
    ]


def _outputs(outputs: Results) -> Goal:
    """`make bench-outputs`."""
    return Goal(
        "a run for the logits, the model with the outputs of explanation / without",
        1.01,
        spread(outputs.get("ratios", [])),
    )


def _edge(edge: Results) -> list[Goal]:
    """`make bench-edge`: the server beside the build before and beside the session alone."""
    ours, before = (edge.get("servers", {}).get(name, {}) for name in (SHARED, OTHER))

    def of(turns: Sequence[Results], what: str) -> list[float]:
        return [turn[what] for turn in turns]

    def beside(clients: str, what: str) -> Spread | None:
        return ratio(of(ours.get(clients, []), what), of(before.get(clients, []), what))

    explained = (of(edge.get("explained", {}).get(name, []), "p50") for name in (SHARED, OTHER))
    many = ours.get("16", [])
    rates = [
        Goal(
            f"{clients} clients, answers a second: {BEFORE}",
            limit,
            beside(clients, "rate"),
            at_least=True,
        )
        for clients, limit in (("16", 1.15), ("64", 1.0), ("4", 1.0))
    ]
    return [
        *rates,
        Goal(
            "16 clients, answers a second: Glimpse's server / the bare session, runs of 8",
            0.85,
            ratio(of(many, "rate"), edge.get("bare", {}).get("16", [])),
            at_least=True,
        ),
        Goal(
            "16 clients, Glimpse's server in these turns: p99 / p50",
            2.0,
            ratio(of(many, "p99"), of(many, "p50")),
        ),
        Goal(
            f"a lone client, p50: {BEFORE}",
            1.0,
            beside("1", "p50"),
        ),
        Goal(
            f"a lone client who wants an explanation, p50: {BEFORE}",
            1.0,
            ratio(*explained),
        ),
    ]


def _labels(measured: Results) -> list[Goal]:
    """`make bench-labels`."""
    found = []
    for model in MODELS:
        answers = measured.get("answers", {}).get(model, {})
        pairs = list(zip(answers.get(CPU, []), answers.get(PROVIDER, []), strict=True))
        shares = [sum(ours[0] == theirs[0] for ours, theirs in pairs) / len(pairs)] if pairs else []
        name = (
            f"same label, `{model}`: the OpenVINO provider and the CPU provider, share of pictures"
        )
        found.append(Goal(name, SAME, spread(shares), at_least=True, digits=3))
    return found
