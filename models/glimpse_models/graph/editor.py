"""Nodes and constants of a graph, to be changed in place."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper


class Editor:
    """A graph whose nodes and constants are changed in place."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes = list(model.graph.node)
        self.constants: dict[str, npt.NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.producer = {name: node for node in self.nodes for name in node.output}

    @classmethod
    def copy(cls, model: onnx.ModelProto) -> Editor:
        """Of a copy of the model."""
        copied = onnx.ModelProto()
        copied.CopyFrom(model)
        return cls(copied)

    def put(self, name: str, values: npt.NDArray[Any]) -> None:
        """A constant, in the place of one with this name."""
        self.constants[name] = values

    def users(self, name: str) -> list[onnx.NodeProto]:
        """The nodes that take it in."""
        return [node for node in self.nodes if name in node.input]

    def before_rounding(self, name: str) -> str | None:
        """What was quantized and dequantized to give `name`."""
        after = self.producer.get(name)
        if after is None or after.op_type != "DequantizeLinear":
            return None
        rounded = self.producer.get(after.input[0])
        if rounded is None or rounded.op_type != "QuantizeLinear":
            return None
        return rounded.input[0] if rounded.input[0] in self.producer else None

    def done(self, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
        """The model of these nodes, without those that nothing needs."""
        graph = self.model.graph
        needed, kept = {value.name for value in graph.output}, []
        for node in reversed(nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        copies = []
        for node in reversed(kept):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copies.append(copy)
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(copies)
        graph.initializer.extend(
            numpy_helper.from_array(values, name)
            for name, values in self.constants.items()
            if name in needed
        )
        onnx.checker.check_model(self.model)
        return self.model


def set_attributes(node: onnx.NodeProto, **attributes: list[int]) -> None:
    """Give the node these attributes in the place of older ones."""
    kept = [attribute for attribute in node.attribute if attribute.name not in attributes]
    made = [helper.make_attribute(name, value) for name, value in attributes.items()]
    copies = [onnx.AttributeProto.FromString(one.SerializeToString()) for one in [*kept, *made]]
    del node.attribute[:]
    node.attribute.extend(copies)
