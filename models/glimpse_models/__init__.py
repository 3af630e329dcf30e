"""Offline tooling for Glimpse: from a folder of pictures to a bundle that the service loads."""

import os

# Official builds of ONNX Runtime send telemetry unless told not to before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
