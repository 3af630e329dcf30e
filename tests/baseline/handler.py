"""A Python Lambda handler with the same int8 model and answer.

As an experienced engineer would write it: the model is loaded in the init phase, ONNX Runtime and
Pillow do the work, nothing is imported that is not needed. `MODEL_URI` is a folder, as if the model
were in the package, or `s3://bucket/prefix`; `DRAFT=1` decodes large JPEGs at a reduced size.
"""

import json
import os

import bundle
import onnxruntime
import picture

BUNDLE = bundle.load("model.onnx")
OPTIONS = onnxruntime.SessionOptions()
# On Lambda a processor comes with each 1,769 MB.
MEMORY_MB = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
OPTIONS.intra_op_num_threads = max(1, min(round(MEMORY_MB / 1769), os.cpu_count() or 1))
SESSION = onnxruntime.InferenceSession(str(BUNDLE.folder / "model.onnx"), OPTIONS)


def handle(event: dict, context: object) -> dict:
    """`POST /predict` with `{"image_data": …}`."""
    pixels = picture.read(event["body"], BUNDLE.spec)
    logits = SESSION.run(["logits"], {"image": pixels})[0][0]
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(picture.rank(logits, BUNDLE.labels)),
    }
