"""The baseline of `make bench`: a Python Lambda handler with the same int8 model and answer.

As an experienced engineer would write it: the model is loaded in the init phase, ONNX Runtime and
Pillow do the work, nothing is imported that is not needed. `MODEL_URI` is a folder, as if the model
were in the package, or `s3://bucket/prefix`.
"""

import base64
import io
import json
import os
import pathlib
import tempfile

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def fetch(uri: str) -> pathlib.Path:
    """The bundle's folder, downloaded where it is in S3."""
    if not uri.startswith("s3://"):
        return pathlib.Path(uri)
    import boto3

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    folder = pathlib.Path(tempfile.mkdtemp())
    client = boto3.client("s3")
    for name in ("bundle.json", "labels.txt", "model.onnx"):
        client.download_file(bucket, f"{prefix}/{name}", str(folder / name))
    return folder


BUNDLE = fetch(os.environ["MODEL_URI"])
SPEC = json.loads((BUNDLE / "bundle.json").read_text())["input"]
LABELS = (BUNDLE / "labels.txt").read_text().splitlines()
OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = os.cpu_count()
SESSION = onnxruntime.InferenceSession(str(BUNDLE / "model.onnx"), OPTIONS)


def preprocess(encoded: bytes) -> np.ndarray:
    """Shorter side resized with antialiased bilinear, centre cropped: `[1, H, W, 3]`."""
    with Image.open(io.BytesIO(encoded)) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    shorter, width, height = SPEC["resize"]["size"], *picture.size
    scale = shorter / min(width, height)
    picture = picture.resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
    left = round((picture.width - SPEC["width"]) / 2)
    top = round((picture.height - SPEC["height"]) / 2)
    return np.asarray(picture.crop((left, top, left + SPEC["width"], top + SPEC["height"])))[None]


def handle(event: dict, context: object) -> dict:
    """`POST /predict` with `{"image_data": …}`."""
    encoded = base64.b64decode(json.loads(event["body"])["image_data"])
    logits = SESSION.run(["logits"], {"image": preprocess(encoded)})[0][0]
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    best = np.argsort(-scores)[:5]
    predictions = [
        {"label": LABELS[i], "index": int(i), "score": float(scores[i])} for i in best
    ]
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({**predictions[0], "predictions": predictions}),
    }
