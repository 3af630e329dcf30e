"""ONNX graphs: export, the serving input, quantization, optimization, further outputs."""
