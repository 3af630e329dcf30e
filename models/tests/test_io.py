"""Pictures of noise, on which two graphs are compared."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from glimpse_models.graph.io import open_session, random_pictures


def test_random_pictures_have_the_sides_of_the_input() -> None:
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 6, 9, 3])
    same = helper.make_tensor_value_info("same", TensorProto.UINT8, ["N", 6, 9, 3])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["same"])], "g", [image], [same]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = open_session(model.SerializeToString())
    pictures = random_pictures(session, 2)
    assert (pictures.shape, pictures.dtype) == ((2, 6, 9, 3), np.uint8)
    assert np.array_equal(session.run(None, {"image": pictures})[0], random_pictures(session, 2))
