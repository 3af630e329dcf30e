"""Classifiers made elsewhere: torchvision, timm, Hugging Face, Keras and plain ONNX files."""
