"""Results of a run that never was, with round numbers."""

from __future__ import annotations

from glimpse_peers.pictures import CLOSE, HEIC, KINDS, LARGE, SMALL, UNSURE
from glimpse_peers.results import OTHER, SERVICE, SHARED, Results

MACHINE = {
    "processor": "a processor",
    "processor_class": "AVX-512 VNNI",
    "cores": 2,
    "memory_gb": 16.0,
    "system": "Linux",
    "load": 0.0,
}


def results() -> Results:
    """Three rounds of the function, two servers and the handlers."""
    warm = {
        SMALL: [[10.0] * 50] * 3,
        UNSURE: [[15.0] * 10] * 3,
        LARGE: [[100.0] * 10] * 3,
        CLOSE: [[200.0] * 10] * 3,
        HEIC: [[1000.0] * 10] * 3,
    }
    twice = {
        kind: [[2 * time for time in block] for block in blocks] for kind, blocks in warm.items()
    }
    stage = {"decode": [1.0] * 9, "preprocess": [1.0] * 9, "infer": [6.0] * 9}
    floor = {
        "open": [20.0] * 3,
        "session": [60.0] * 3,
        "first_run": [20.0] * 3,
        "total": [100.0] * 3,
    }
    floor_of = {"resnet50": {**floor, "runs": [[9.0]] * 3}}
    load = {"rate": 60.0, "times_ms": [16.0] * 200, "errors": 0}
    loads = {clients: [load] * 3 for clients in ("1", "16")}
    turn = {"rate": 90.0, "p50": 160.0, "p99": 240.0}
    before = {"rate": 75.0, "p50": 200.0, "p99": 500.0}
    run = [0.012] * 3
    of_size = {"cold": [500.0], "small": [[20.0, 30.0]], "large": [[200.0]]}
    return {
        "machine": MACHINE,
        "measured": {"machine": "2026-01-01 00:00"},
        "rounds": {"machine": 0},
        "absent": {"serve-openvino": "the plugin is absent"},
        "starts": {
            "cold": {
                "folder": {"function": [100.0, 110.0, 120.0], "handler": [400.0, 440.0, 480.0]},
                "s3": {"function": [150.0] * 3, "handler": [600.0] * 3},
                "s3-slow": {"function": [475.0] * 3},
            },
            "warm": {"function": warm, "handler": twice, "handler-draft": twice, "openvino": warm},
            "stages": {"function": dict.fromkeys(KINDS, stage)},
            "memory": {
                "function": {
                    "first": [100e6] * 3,
                    "peak": [150e6] * 3,
                    "peak-close": [180e6] * 3,
                    "peak-heic": [160e6] * 3,
                },
                "handler-draft": {
                    "first": [120e6] * 3,
                    "peak": [200e6] * 3,
                    "peak-close": [200e6] * 3,
                    "peak-heic": [200e6] * 3,
                },
            },
            "floor": {
                "folder": floor_of,
                "s3-slow": {"resnet50": {**floor_of["resnet50"], "transfer": [320.0] * 3}},
            },
        },
        "throughput": {"serve": loads, "openvino": loads},
        "growth": {
            "picture": {"serve": {"0.19": [10.0], "12": [90.0]}},
            "batch": {"serve": {"1": [10.0], "16": [120.0]}},
            "bundle": {"folder": {"small": [100.0]}, "s3-slow": {"small": [200.0]}},
            "bundle_bytes": {"small": 5_000_000},
        },
        "quotas": {"function": {"885": of_size, "1769": {**of_size, "small": [[10.0]]}}},
        "edge": {
            "measured": 1_767_225_600,
            "baseline": "commit 1234567",
            "servers": {
                SHARED: {"1": [turn] * 3, "16": [turn] * 3},
                OTHER: {"1": [turn] * 3, "16": [before] * 3},
            },
            "explained": {SHARED: [turn] * 3, OTHER: [turn] * 3},
            "bare": {"1": [100.0] * 3, "16": [100.0] * 3},
        },
        "operators": {
            "measured": "2026-01-01 00:00",
            "threads": 2,
            "multiplications": 4_000_000_000,
            "operators": {"QLinearConv": 11_000.0, "QLinearAdd": 1_000.0},
            "settings": {SERVICE: run, "threads pinned": run},
            "graphs": {"space-to-depth stem": [0.0114] * 3},
            "differences": {"space-to-depth stem": 0.0},
            "openvino": [0.010] * 3,
            "library_rate": 420e9,
            "instruction": "AVX-512 VNNI",
            "processor_rate": 466e9,
        },
        "labels": {
            "measured": "2026-01-01 00:00",
            "machine": MACHINE,
            "pictures": "crops",
            "decided": {"default": 1},
            "answers": {
                "default": {
                    "cpu": [[0, 0.5], [1, 0.75], [1, 0.25], [2, 0.125]],
                    "openvino": [[0, 0.5], [1, 0.625], [0, 0.25], [2, 0.125]],
                }
            },
        },
        "outputs": {"measured": "2026-01-01 00:00", "ratios": [1.0, 1.001, 1.002]},
        "sizes": {"function": {"program": 30_000_000, "model": 24_000_000, "zip": 14_000_000}},
    }
