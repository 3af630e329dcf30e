"""What older and converted ONNX files need before they are changed: order, precision, IR, opset."""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper, version_converter

from glimpse_models.errors import UserError
from glimpse_models.graph.io import open_session, random_pictures

# From this IR version on, initializers need not be inputs; what is added here are none.
FIRST_IR = 8
# The first opset whose QDQ nodes have a scale per channel, and what older models are brought to.
FIRST_OPSET, OPSET = 13, 17
TOLERANCE = 1e-3  # of the largest logit


def repair(model: onnx.ModelProto) -> None:
    """Sorted nodes, float32 throughout, and no initializers among the inputs."""
    sort_nodes(model.graph)
    to_float32(model.graph)
    model.ir_version = max(model.ir_version, FIRST_IR)
    initialised = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initialised]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Each node after those that it takes tensors from; the order that there is, where it holds."""
    nodes = list(graph.node)
    producer = {name: number for number, node in enumerate(nodes) for name in node.output if name}
    needed: dict[int, set[int]] = defaultdict(set)
    for number, node in enumerate(nodes):
        needed[number] = {producer[name] for name in _taken(node) if name in producer} - {number}
    if all(before < number for number, befores in needed.items() for before in befores):
        return
    try:
        order = list(TopologicalSorter(needed).static_order())
    except CycleError as error:
        raise UserError("the model's nodes depend on each other in a circle") from error
    copies = [onnx.NodeProto.FromString(nodes[number].SerializeToString()) for number in order]
    del graph.node[:]
    graph.node.extend(copies)


def to_float32(graph: onnx.GraphProto) -> None:
    """Weights and casts of float16 in float32: the CPU computes in it anyway, and int8 needs it."""
    for tensor in graph.initializer:
        _widen(tensor)
    for value in (*graph.input, *graph.output):
        kind = value.type.tensor_type
        if kind.elem_type == TensorProto.FLOAT16:
            kind.elem_type = TensorProto.FLOAT
    del graph.value_info[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _widen(attribute.t)
            is_target = node.op_type == "Cast" and attribute.name == "to"
            if is_target and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
            for inner in inner_graphs(attribute):
                to_float32(inner)


def inner_graphs(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    """The branches or bodies of a node; reading the field of another kind would set it."""
    if attribute.type == onnx.AttributeProto.GRAPH:
        return [attribute.g]
    return list(attribute.graphs)


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        value = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def _taken(node: onnx.NodeProto) -> set[str]:
    """The tensors that a node takes, those of its branches and bodies too."""
    taken = set(node.input)
    for attribute in node.attribute:
        for graph in inner_graphs(attribute):
            for inner in graph.node:
                taken |= _taken(inner)
    return taken


def upgraded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in an opset that can be quantized per channel, if it gives the same logits there."""
    opset = max((entry.version for entry in model.opset_import if entry.domain == ""), default=1)
    if opset >= FIRST_OPSET:
        return model
    try:
        found = version_converter.convert_version(model, OPSET)
        before, after = (_logits(one) for one in (model, found))
    except (RuntimeError, ValueError, UserError):  # the converter does not know every operator
        return model
    same = np.allclose(
        before, after, rtol=0, atol=TOLERANCE * max(float(np.abs(before).max()), 1e-6)
    )
    return found if same else model


def _logits(model: onnx.ModelProto) -> np.ndarray:
    session = open_session(model.SerializeToString())
    found: np.ndarray = session.run(["logits"], {"image": random_pictures(session, 1)})[0]
    return found
