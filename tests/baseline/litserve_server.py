"""LitServe with ONNX Runtime and the same int8 model. `litserve_server.py PORT`."""

import base64
import sys

import bundle
import litserve
import onnxruntime
import picture


class Classifier(litserve.LitAPI):
    """`POST /predict` with `{"image_data": …}`."""

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        self.bundle = bundle.load("model.onnx")
        self.session = onnxruntime.InferenceSession(
            str(self.bundle.folder / "model.onnx")
        )

    def decode_request(self, request: dict) -> object:
        """Pixels of the request's picture."""
        return picture.preprocess(
            base64.b64decode(request["image_data"]), self.bundle.spec
        )

    def predict(self, pixels: object) -> object:
        """Logits `[C]`."""
        return self.session.run(["logits"], {"image": pixels})[0][0]

    def encode_response(self, logits: object) -> dict:
        """The answer."""
        return picture.rank(logits, self.bundle.labels)


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(), accelerator="cpu", timeout=120)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        generate_client_file=False,
        log_level="warning",
    )
