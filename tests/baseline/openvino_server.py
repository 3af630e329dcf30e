"""A minimal Python server with OpenVINO: the standard library's HTTP, the same int8 model.

One infer request a thread; OpenVINO runs them one after the other with all processors, as its hint
for latency says. `openvino_server.py PORT`.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import bundle
import openvino
import picture

BUNDLE = bundle.load("model.onnx")
MODEL = openvino.Core().compile_model(
    BUNDLE.folder / "model.onnx", "CPU", {"PERFORMANCE_HINT": "LATENCY"}
)
OF_THREAD = threading.local()


class Handler(BaseHTTPRequestHandler):
    """`POST /predict` with `{"image_data": …}`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if not hasattr(OF_THREAD, "request"):
            OF_THREAD.request = MODEL.create_infer_request()
        outputs = OF_THREAD.request.infer({"image": picture.read(body, BUNDLE.spec)})
        answer = json.dumps(picture.rank(outputs["logits"][0], BUNDLE.labels)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class Server(ThreadingHTTPServer):
    """Takes a burst of connections."""

    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
