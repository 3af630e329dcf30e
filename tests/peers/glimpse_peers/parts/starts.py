"""Cold starts, warm requests and memory. In each round every peer is started, asked and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glimpse_peers import floor, peers, places
from glimpse_peers.objects import Objects
from glimpse_peers.peers import Peer
from glimpse_peers.pictures import CLOSE, HEIC, LARGE, SMALL
from glimpse_peers.results import Results
from glimpse_peers.running import Running
from glimpse_peers.stage import LITE, RESNET50, Stage, progress
from glimpse_peers.statistics import orders

BARE_RUNS = 20
# After requests of every kind, so that what they leave behind counts.
PEAKS = (("peak", LARGE, 3), ("peak-close", CLOSE, 3), ("peak-heic", HEIC, 1))
STAGES = ("decode", "preprocess", "infer")
Task = Callable[[], None]


def measure(stage: Stage) -> Results:
    """`cold` and `warm` samples in milliseconds, `memory` in bytes, by peer and place of the model."""
    run = _Run(stage)
    folder: list[Task] = [run.whole(peer) for peer in stage.peers]
    if function := stage.peer("function"):
        folder.append(run.lite(function, "folder", str(stage.models[LITE]), {}))
    folder += [run.empty, run.floor(RESNET50, "folder"), run.floor(LITE, "folder")]
    _interleaved("cold starts and warm requests, round", folder, stage.plan.rounds)
    for place, slow in (("s3", False), ("s3-slow", True)):
        with Objects(stage.models, slow) as objects:
            tasks = [run.from_s3(peer, place, objects) for peer in _from_s3(stage, slow)]
            if function:
                uri = objects.uris[LITE]
                tasks.append(run.lite(function, place, uri, objects.environment))
            if slow:
                # Beside them, so that the machine's mood is the same.
                tasks += [run.far(RESNET50, place, objects), run.far(LITE, place, objects)]
            _interleaved(f"cold starts from {place}, round", tasks, stage.plan.rounds)
    return run.results


def _from_s3(stage: Stage, slow: bool) -> list[Peer]:
    # `draft` changes nothing in a cold start.
    keys = {"function", "handler"} if slow else {p.key for p in stage.peers} - {"handler-draft"}
    return [peer for peer in stage.peers if peer.key in keys]


def _interleaved(what: str, tasks: list[Task], rounds: int) -> None:
    for number, order in enumerate(orders(len(tasks), rounds)):
        progress(what, number, rounds)
        for turn in order:
            tasks[turn]()


class _Run:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.results: Results = {"cold": {}, "warm": {}, "stages": {}, "memory": {}, "floor": {}}

    def whole(self, peer: Peer) -> Task:
        def task() -> None:
            with self.stage.start(peer) as running:
                self._cold("folder", peer.key, running.cold_ms)
                self._memory(peer, "first", running.pss_bytes())
                for kind, times in self.stage.plan.requests.items():
                    self._warm(running, kind, times)
                for when, kind, times in PEAKS:
                    body = self.stage.request(peer, self.stage.bodies[kind])
                    self._memory(peer, when, running.peak_bytes(body, times))

        return task

    def from_s3(self, peer: Peer, place: str, objects: Objects) -> Task:
        def task() -> None:
            with self.stage.start(peer, objects.uris[peer.model], objects.environment) as running:
                self._cold(place, peer.key, running.cold_ms)

        return task

    def lite(self, function: Peer, place: str, uri: str, environment: dict[str, str]) -> Task:
        def task() -> None:
            peer = function.with_model(LITE, LITE)
            with self.stage.start(peer, uri, environment) as running:
                self._cold(place, peer.key, running.cold_ms)
                if place == "folder":
                    self._memory(peer, "first", running.pss_bytes())
                    self._warm(running, SMALL, self.stage.plan.requests[SMALL])

        return task

    def empty(self) -> None:
        with self.stage.start(peers.empty(), "none") as running:
            self._cold("folder", running.peer.key, running.cold_ms)
            self._warm(running, SMALL, self.stage.plan.requests[SMALL])

    def far(self, model: str, place: str, objects: Objects) -> Task:
        """The floor, and the transfer of the graph alone."""

        def task() -> None:
            self.floor(model, place)()
            graph = places.graph(self.stage.models[model])
            took = objects.transfer_ms(model, graph)
            self.results["floor"][place][model].setdefault("transfer", []).append(took)

        return task

    def floor(self, model: str, place: str) -> Task:
        def task() -> None:
            measured = floor.measure(self.stage.models[model], BARE_RUNS)
            of_model = self.results["floor"].setdefault(place, {}).setdefault(model, {})
            for name in floor.STAGES:
                of_model.setdefault(name, []).append(getattr(measured, name))
            of_model.setdefault("total", []).append(measured.total)
            of_model.setdefault("runs", []).append(measured.runs)

        return task

    def _cold(self, place: str, key: str, took: float) -> None:
        self.results["cold"].setdefault(place, {}).setdefault(key, []).append(took)

    def _memory(self, peer: Peer, when: str, used: int) -> None:
        self.results["memory"].setdefault(peer.key, {}).setdefault(when, []).append(used)

    def _warm(self, running: Running, kind: str, times: int) -> None:
        """A block of one kind; blocks stay apart, so that rounds can be compared."""
        key, body = running.peer.key, self.stage.request(running.peer, self.stage.bodies[kind])
        running.ask(body)
        block: list[float] = []
        stages: dict[str, list[float]] = {name: [] for name in STAGES}
        for _ in range(times):
            took, answer = running.answer(body)
            block.append(took)
            spent: Any = answer.get("timing_ms", {})
            for name in STAGES:
                if name in spent:
                    stages[name].append(spent[name])
        self.results["warm"].setdefault(key, {}).setdefault(kind, []).append(block)
        if any(stages.values()):
            of_kind = self.results["stages"].setdefault(key, {}).setdefault(kind, {})
            for name, spent in stages.items():
                of_kind.setdefault(name, []).extend(spent)
