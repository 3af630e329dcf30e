"""What the parts of a measurement share: the peers that are there, models, pictures, progress."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glimpse_peers import events, peers, pictures, places
from glimpse_peers.peers import Peer
from glimpse_peers.plan import Plan
from glimpse_peers.running import ProviderError, Running

RESNET50, LITE, KERAS = "resnet50", "imagenet-lite", "keras"


@dataclass(frozen=True)
class Stage:
    """A run's plan and materials."""

    plan: Plan
    peers: list[Peer]
    models: dict[str, Path]
    bodies: dict[str, bytes]
    """Requests by the kind of their picture."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why a peer is not measured."""

    @classmethod
    def prepare(cls, plan: Plan, only: list[str]) -> Stage:
        """Make what is not there yet: pictures, and the model of Keras."""
        chosen = [peer for peer in peers.everybody() if not only or peer.key in only]
        present = [peer for peer in chosen if not peer.missing]
        absent = {peer.key: peer.missing for peer in chosen if peer.missing}
        for key, reason in absent.items():
            print(f"{key} is not measured: {reason}", file=sys.stderr)
        models = {RESNET50: places.bundle(), LITE: places.LITE}
        if any(peer.model == KERAS for peer in present):
            models[KERAS] = places.KERAS
            if not (places.KERAS / "resnet50.keras").exists():
                script = places.BASELINE / "keras_server.py"
                words = [str(places.python("peer-keras")), str(script), "--make"]
                words += [str(places.KERAS), str(places.bundle())]
                subprocess.run(words, check=True)
        bodies = {kind: events.body(encoded) for kind, encoded in pictures.kinds().items()}
        stage = cls(plan, present, models, bodies, absent)
        stage._leave_out_absent_providers()
        return stage

    def _leave_out_absent_providers(self) -> None:
        """A provider may not run on this processor, which only a start shows."""
        for peer in [peer for peer in self.peers if peer.provider]:
            try:
                with self.start(peer):
                    pass
            except ProviderError as error:
                print(f"{peer.key} is not measured: {error}", file=sys.stderr)
                self.absent[peer.key] = str(error)
                self.peers.remove(peer)

    def peer(self, key: str) -> Peer | None:
        """A peer that is measured."""
        return next((peer for peer in self.peers if peer.key == key), None)

    def request(self, peer: Peer, body: bytes) -> bytes:
        """What the peer is sent for this body."""
        return events.event(body) if peer.under_emulator else body

    def start(
        self,
        peer: Peer,
        model_uri: str | None = None,
        environment: Mapping[str, str] | None = None,
        group: Path | None = None,
    ) -> Running:
        """Start it with its model in a folder, unless another place is named."""
        first = self.request(peer, self.bodies[pictures.SMALL])
        return Running(peer, model_uri or str(self.models[peer.model]), first, environment, group)


def progress(what: str, done: int, of: int) -> None:
    """A line on standard error."""
    print(f"{what} {done + 1}/{of}", file=sys.stderr, flush=True)
