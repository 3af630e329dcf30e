"""On the ARM side: what each model says of the same pixels, `python answers.py PIXELS OUT MODEL...`.

Writes every output of model number i to OUT/i.npz.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

pixels, out, *models = sys.argv[1:]
for number, model in enumerate(models):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": np.load(pixels)})
    names = [output.name for output in session.get_outputs()]
    np.savez(Path(out) / f"{number}.npz", **dict(zip(names, found, strict=True)))
