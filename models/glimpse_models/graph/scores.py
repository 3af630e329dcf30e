"""The end of a classifier's graph: logits whose softmax or sigmoids are the scores of the network.

The service applies the softmax, or the sigmoids where a picture may have several labels. One at the
end of the graph is taken off, also where casts and reshapes follow it; scores of a softmax that come
about otherwise get a logarithm. Of one label per picture, one score, which is a sigmoid's, becomes
two logits. A run holds the result against the scores of the graph as it came.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.errors import UserError
from glimpse_models.graph.io import open_session, random_pictures
from glimpse_models.graph.repair import inner_graphs

# These may follow a softmax or a sigmoid: they change no value.
PASSING = ("Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout")
ACTIVATIONS = ("Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid")
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)

ONE_CLASS = "one_class"
"""The name of the node that makes two logits of one."""

PICTURES = 4  # that the result is checked on
TOLERANCE = 2e-3  # of a score: what 16 bits leave
SMALLEST = 1e-30

Scores = npt.NDArray[np.float64]


def end_in_logits(model: onnx.ModelProto, labels: int, task: str = SINGLE) -> None:
    """Make `logits`, float32 `[N, classes]`, the only output of a model with the serving input."""
    _name_output(model)
    own = _run(model)
    classes = own.shape[1]
    if classes != labels and not (classes == 1 and labels == 2 and task == SINGLE):
        raise UserError(
            f"the model has {classes} classes, but there are {labels} labels; give the labels it was trained with"
        )
    kind = _take_off(model, classes, task)
    if kind is None and task == SINGLE and _are_scores(own):
        _append_logarithm(model)
        kind = "Softmax"
    if kind is None and task == MULTI and ((own >= 0) & (own <= 1)).all():
        raise UserError(
            f"the outputs look like scores, but the model does not end in a sigmoid, as --task {MULTI} needs it; export it without what follows its logits"
        )
    _drop_passing(model)
    if classes == 1 and task == SINGLE:
        _make_two_logits(model, kind, labels, own)
        classes = 2
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = classes
    if task == MULTI:
        _require_same_sigmoids(model, own, kind)
    elif kind in ("Softmax", "Sigmoid"):
        _require_same_scores(model, own, labels)


def is_one_class(model: onnx.ModelProto) -> bool:
    """Whether the network has one score, which was made two logits."""
    return any(node.name == ONE_CLASS for node in model.graph.node)


def labels_of_logits(model: onnx.ModelProto, labels: tuple[str, ...]) -> tuple[str, ...]:
    """One label per logit: the one label of a network with one score gets its opposite."""
    if len(labels) == 1 and is_one_class(model):
        return (labels[0], f"not {labels[0]}")
    return labels


def _name_output(model: onnx.ModelProto) -> None:
    """Call the first output `logits`, flat and float32; drop the others."""
    graph, output = model.graph, model.graph.output[0]
    tensor = output.type.tensor_type
    if tensor.elem_type not in FLOATS:
        name = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise UserError(
            f"the model's first output is {name}, not scores; export it with scores first"
        )
    last = output.name
    if len(tensor.shape.dim) > 2:
        graph.node.append(helper.make_node("Flatten", [last], ["flat_scores"], axis=1))
        last = "flat_scores"
    if tensor.elem_type != TensorProto.FLOAT:
        graph.node.append(helper.make_node("Cast", [last], ["float_scores"], to=TensorProto.FLOAT))
        last = "float_scores"
    del graph.output[:]
    _rename(graph, last, "logits")
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", None]))


def _path(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes back from `logits`, for as long as they only pass values on; then the first other."""
    producer = {name: node for node in graph.node for name in node.output}
    node = producer.get("logits")
    while node is not None:
        yield node
        if node.op_type not in PASSING:
            return
        node = producer.get(node.input[0])


def _take_off(model: onnx.ModelProto, classes: int, task: str) -> str | None:
    """Remove the activation at the end; gives which it was."""
    last = list(_path(model.graph))[-1:]
    if not last or last[0].op_type not in ACTIVATIONS:
        return None
    node, kind = last[0], last[0].op_type
    several = task == MULTI
    if kind == "Sigmoid" and classes > 1 and not several:
        raise UserError(
            f"the model ends in a sigmoid: each of its {classes} scores stands for itself, and several labels may hold for "
            f"one picture; give --task {MULTI} if it was trained so"
        )
    if several and kind != "Sigmoid":
        raise UserError(
            f"the model ends in a {kind.lower()}, and --task {MULTI} needs a sigmoid or plain logits; leave --task out, or give the model that was trained so"
        )
    if kind == "HardSigmoid" or (kind == "Softmax" and classes == 1):
        raise UserError(
            f"the model ends in a {kind.lower()} over {classes} classes, which does not give a probability; end it in a sigmoid"
        )
    if kind != "LogSoftmax":  # the softmax of its result is that of its input
        model.graph.node.remove(node)
        if node.output[0] == "logits":
            _rename(model.graph, node.input[0], "logits")
        else:
            _rename(model.graph, node.output[0], node.input[0])
    return kind


def _drop_passing(model: onnx.ModelProto) -> None:
    """Let `logits` be the earliest tensor that is float32 `[N, classes]` already."""
    inferred = onnx.shape_inference.infer_shapes(model)
    known = {value.name: value.type.tensor_type for value in inferred.graph.value_info}
    path = [node for node in _path(model.graph) if node.op_type in PASSING]
    fitting = [
        number
        for number, node in enumerate(path)
        if (found := known.get(node.input[0])) is not None
        and found.elem_type == TensorProto.FLOAT
        and len(found.shape.dim) == 2
    ]
    if not fitting:
        return
    dropped = path[: fitting[-1] + 1]
    for node in dropped:
        model.graph.node.remove(node)
    _rename(model.graph, dropped[-1].input[0], "logits")


def _make_two_logits(model: onnx.ModelProto, kind: str | None, labels: int, own: Scores) -> None:
    """`x` → `[x, 0]` for the one label and its opposite, `[0, x]` for two labels."""
    if kind is None and ((own >= 0) & (own <= 1)).all():
        raise UserError(
            "the model has one output, which may be a probability or a logit; end it in a sigmoid"
        )
    signs = np.array([1, 0] if labels == 1 else [0, 1], np.float32)
    graph = model.graph
    _rename(graph, "logits", "one_logit")
    graph.initializer.append(numpy_helper.from_array(signs, "one_class_columns"))
    graph.node.append(
        helper.make_node("Mul", ["one_logit", "one_class_columns"], ["logits"], name=ONE_CLASS)
    )


def _append_logarithm(model: onnx.ModelProto) -> None:
    """Scores that no known operator made: their logarithm is a logit."""
    graph = model.graph
    _rename(graph, "logits", "scores")
    graph.initializer.append(numpy_helper.from_array(np.array(SMALLEST, np.float32), "smallest"))
    graph.node.extend(
        [
            helper.make_node("Max", ["scores", "smallest"], ["positive_scores"]),
            helper.make_node("Log", ["positive_scores"], ["logits"]),
        ]
    )


def _are_scores(own: Scores) -> bool:
    """Whether all rows are probabilities of classes."""
    return own.shape[1] > 1 and own.min() >= 0 and bool(np.allclose(own.sum(axis=1), 1, atol=1e-3))


def _require_same_scores(model: onnx.ModelProto, own: Scores, labels: int) -> None:
    logits = _run(model)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = powers / powers.sum(axis=1, keepdims=True)
    if own.shape[1] == 1:
        scores = scores[:, :1] if labels == 1 else scores[:, 1:]
    if not np.allclose(scores, own, atol=TOLERANCE):
        raise UserError(
            "the softmax at the model's end is not over its classes, or is changed after it; export the model without it"
        )


def _require_same_sigmoids(model: onnx.ModelProto, own: Scores, kind: str | None) -> None:
    logits = _run(model)
    scores = 1 / (1 + np.exp(-logits))
    if not np.allclose(scores if kind == "Sigmoid" else logits, own, atol=TOLERANCE):
        raise UserError(
            "the sigmoid at the model's end is changed after it; export the model without it"
        )


def _run(model: onnx.ModelProto) -> Scores:
    """What the model gives for some pictures, one at a time."""
    session = open_session(model.SerializeToString())
    side = session.get_inputs()[0].shape[1]
    pixels = random_pictures(session, PICTURES)
    try:
        rows = [session.run(["logits"], {"image": one[None]})[0] for one in pixels]
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise UserError(f"the model fails on a picture of {side} pixels: {error}") from error
    return np.concatenate(rows).astype(np.float64)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Call a tensor otherwise, in branches and bodies too."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
        for attribute in node.attribute:
            for inner in inner_graphs(attribute):
                _rename(inner, old, new)
