"""How time grows with the picture, the batch and the bundle. Clients are `throughput`'s."""

from __future__ import annotations

from pathlib import Path

from glimpse_peers import bundles, events, pictures, places
from glimpse_peers.objects import Objects
from glimpse_peers.results import Results
from glimpse_peers.running import Running
from glimpse_peers.stage import Stage, progress

SIDES = (
    (500, 375),
    (1000, 750),
    (2000, 1500),
    (3000, 2250),
    (4000, 3000),
    (6000, 4500),
    (8000, 6000),
)
BATCHES = (1, 2, 4, 8, 16)
PICTURE_PEERS = ("serve", "openvino")
BATCH_PEERS = ("serve", "serve-openvino")
# 48 megapixels with a grain are larger than a request may be by default.
ROOM = {"GLIMPSE_MAX_BODY_BYTES": str(64 << 20)}


def measure(stage: Stage) -> Results:
    """`picture`, `batch` and `bundle`: by peer or place, then by size, milliseconds."""
    results: Results = {"picture": {}, "batch": {}, "bundle": {}, "bundle_bytes": {}}
    models = bundles.by_size(stage.models)
    results["bundle_bytes"] = {name: _bytes(folder) for name, folder in models.items()}
    for number in range(stage.plan.growth_rounds):
        progress("growth, round", number, stage.plan.growth_rounds)
        _pictures(stage, results["picture"])
        _batches(stage, results["batch"])
        _bundles(stage, models, results["bundle"])
    return results


def _pictures(stage: Stage, results: Results) -> None:
    # Before a server starts: while large pictures are made, it would close the connection.
    bodies = {
        f"{width * height / 1e6:.2g}": events.body(pictures.jpeg(width, height, "coffee.png"))
        for width, height in SIDES
    }
    for peer in filter(None, map(stage.peer, PICTURE_PEERS)):
        with stage.start(peer, environment=ROOM) as running:
            for name, body in bodies.items():
                times = _times(running, body, stage.plan.growth_requests)
                results.setdefault(peer.key, {}).setdefault(name, []).extend(times)


def _batches(stage: Stage, results: Results) -> None:
    small = pictures.jpeg(500, 375)
    for peer in filter(None, map(stage.peer, BATCH_PEERS)):
        with stage.start(peer, environment=ROOM) as running:
            for size in BATCHES:
                body = events.body(*[small] * size)
                times = _times(running, body, stage.plan.growth_requests)
                results.setdefault(peer.key, {}).setdefault(str(size), []).extend(times)


def _bundles(stage: Stage, models: dict[str, Path], results: Results) -> None:
    function = stage.peer("function")
    if function is None:
        return
    with Objects(models, slow=True) as objects:
        for name, folder in models.items():
            with stage.start(function, str(folder)) as running:
                results.setdefault("folder", {}).setdefault(name, []).append(running.cold_ms)
            with stage.start(function, objects.uris[name], objects.environment) as running:
                results.setdefault("s3-slow", {}).setdefault(name, []).append(running.cold_ms)


def _times(running: Running, body: bytes, times: int) -> list[float]:
    running.ask(body)
    return [running.ask(body) for _ in range(times)]


def _bytes(folder: Path) -> int:
    """What a start reads of it."""
    return sum((folder / name).stat().st_size for name in places.fetched(folder))
