"""What the measurement must show: ratios within one run, never times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from glimpse_peers.objects import MEGABYTES_PER_SECOND, ROUND_TRIP_MS
from glimpse_peers.pictures import CLOSE, LARGE, SMALL
from glimpse_peers.results import OTHER, SHARED, Results
from glimpse_peers.statistics import Spread, percentile, ratio, spread

AMX = "AMX"
FUNCTION = "cold start, model in a folder: Glimpse's function"
FLOOR = f"{FUNCTION} / what cannot be avoided (library, session, first run)"
SLOW = f"cold start, S3 {ROUND_TRIP_MS} ms and {MEGABYTES_PER_SECOND} MB/s away / bytes ÷ rate, round trip, session, first run"
LITE = ", imagenet-lite"
OPENVINO = "Glimpse's server with the OpenVINO provider / Python server with OpenVINO"
BEFORE = "Glimpse's server / the build before"


@dataclass(frozen=True)
class Goal:
    """A ratio and its limit."""

    name: str
    limit: float
    found: Spread | None
    at_least: bool = False

    @property
    def sign(self) -> str:
        """The side of the limit that is wanted."""
        return "≥" if self.at_least else "≤"

    @property
    def verdict(self) -> str:
        """Whether the median is on that side."""
        if self.found is None:
            return ""
        # What is shown is what counts.
        found = round(self.found.median, 2)
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
    ]


def unavoidable_from_s3(starts: Results, model: str) -> list[float]:
    """Bytes at the rate, a round trip, then the session and its first run; round by round, ms."""
    stages = starts.get("floor", {}).get("s3-slow", {}).get(model, {})
    wire = starts.get("bytes", {}).get(model, 0) / (MEGABYTES_PER_SECOND * 1e3) + ROUND_TRIP_MS
    pairs = zip(stages.get("session", []), stages.get("first_run", []), strict=True)
    return [wire + session + run for session, run in pairs]


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
            "peak memory: Glimpse's function / Python handler with `draft`",
            1.0,
            ratio(peak("function"), peak("handler-draft")),
        ),
        Goal(
            f"warm, {SMALL}: {OPENVINO}",
            0.85 if amx else 1.0,
            ratio(medians("serve-openvino", SMALL), medians("openvino", SMALL)),
        ),
    ]


def _throughput(measured: Results, amx: bool) -> list[Goal]:
    def rates(key: str) -> list[float]:
        return [seen["rate"] for seen in measured.get(key, {}).get("16", [])]

    times = list(
        chain.from_iterable(seen["times_ms"] for seen in measured.get("serve", {}).get("16", []))
    )
    tail, middle = percentile(times, 99), percentile(times, 50)
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
            spread([tail / middle]) if tail and middle else None,
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
