"""Glimpse and what users would pick instead, measured side by side, and the document about it.

`make bench-peers` measures into `target/peers/results.json`; `make performance-docs` fills
docs/performance.md from there.
"""
