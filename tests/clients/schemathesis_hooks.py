"""What a schema cannot say of a good request: that a picture decodes, that a shape fits its data.

Only requests that are meant to be good are completed; those that break the schema go as they are.
"""

import base64
import struct

import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from conftest import PICTURE

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
# A bitmap of one pixel whose bytes are all ASCII: a string, as the schema of a form's file has it.
TEXT_BITMAP = (
    b"BM" + struct.pack("<IIIIiiHHIIiiII", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + b"   \0"
).decode("ascii")
PICTURES = st.sampled_from([PIXEL, PICTURE.read_bytes()])
TEXTS = PICTURES.map(lambda picture: base64.b64encode(picture).decode())

for media_type in ("image/*", "application/x-image", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, PICTURES)
schemathesis.openapi.format("base64-picture", TEXTS | TEXTS.map("data:image/png;base64,{}".format))

HEADER_LENGTH = "Inference-Header-Content-Length"
MAX_BATCH = 16


def name_first_page(options):
    """The pictures have one page."""
    if isinstance(options, dict) and options.get("page") is not None:
        options["page"] = 0


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        if is_form(case) and isinstance(case.body, dict):
            # A form has no null: its field would be left out, which the schema allows.
            case.body = {name: "null" if v is None else v for name, v in case.body.items()}
        return
    if case.path.endswith("/infer"):
        complete_inference(case)
    elif case.path.endswith(":predict") and isinstance(case.body, dict):
        complete_rows_and_columns(case.body)
    elif case.path in ("/predict", "/invocations") and is_form(case):
        complete_form(case)
    elif case.path in ("/predict", "/invocations"):
        complete_prediction(case)


def complete_inference(case):
    case.headers.pop(HEADER_LENGTH, None)
    if case.media_type == "application/octet-stream":
        case.headers[HEADER_LENGTH] = "0"
        return
    if not isinstance(case.body, dict):
        return
    (tensor,) = case.body["inputs"]
    if tensor["datatype"] == "UINT8":
        tensor["data"] = [base64.b64encode(PIXEL).decode()]
        tensor["datatype"] = "BYTES"
    tensor["data"] = tensor["data"][:MAX_BATCH]
    tensor["shape"] = [len(tensor["data"])]
    # Binary tensors come as octets.
    tensor.pop("parameters", None)
    outputs = case.body.get("outputs") or []
    case.body["outputs"] = list({output["name"]: output for output in outputs}.values())
    parameters = case.body.get("parameters") or {}
    name_first_page(parameters)
    if (parameters.get("top_k") or 1) > 3:
        parameters["top_k"] = 3


def complete_rows_and_columns(body):
    name_first_page(body.get("parameters"))
    for form in ("instances", "inputs"):
        match body.get(form):
            case list(pictures):
                del pictures[MAX_BATCH:]
            case dict(named):
                for pictures in named.values():
                    del pictures[MAX_BATCH:]


def is_form(case):
    return case.media_type in ("multipart/form-data", "application/x-www-form-urlencoded")


def complete_form(case):
    for option in ("explain", "explain_label", "embedding"):
        case.query.pop(option, None)
    name_first_page(case.query)
    if isinstance(case.body, dict):
        # Of the fields that the schema does not name, only the names of pictures count.
        named = {name: case.body[name] for name in ("top_k",) if case.body.get(name) is not None}
        if case.media_type == "multipart/form-data":
            case.body = {"image": TEXT_BITMAP, **named}
        else:
            case.body = {"image_data": base64.b64encode(PIXEL).decode(), **named}


def complete_prediction(case):
    # Which labels are among the best, only the model knows; and not every model gives these.
    for option in ("explain", "explain_label", "embedding"):
        case.query.pop(option, None)
    name_first_page(case.query)
    if not isinstance(case.body, dict):
        return
    name_first_page(case.body)
    for option in ("explain", "embedding"):
        case.body.pop(option, None)
    if case.body.pop("s3", None) is not None:
        # This server may read no bucket.
        case.body["image"] = base64.b64encode(PIXEL).decode()
    if case.body.get("images"):
        case.body["images"] = case.body["images"][:MAX_BATCH]
