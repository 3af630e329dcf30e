"""Flask and Keras: a float32 ResNet50 of `keras.applications` behind waitress.

Its weights are random: a picture takes as long with any. `keras_server.py PORT` serves;
`keras_server.py --make FOLDER BUNDLE` writes the model beside the labels and geometry of a bundle.
"""

import shutil
import sys
from pathlib import Path

import keras

NAME = "resnet50.keras"


def make(folder: Path, like: Path) -> None:
    """The network for the bundle's input and classes."""
    classes = len((like / "labels.txt").read_text().splitlines())
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("bundle.json", "labels.txt"):
        shutil.copy(like / name, folder / name)
    keras.utils.set_random_seed(1)
    network = keras.applications.ResNet50(
        weights=None,
        classes=classes,
        classifier_activation=None,
        input_shape=(224, 224, 3),
    )
    network.save(folder / NAME)


def serve(port: int) -> None:
    """`POST /predict` with `{"image_data": …}`."""
    import bundle
    import flask
    import picture
    import waitress

    model = bundle.load(NAME)
    network = keras.saving.load_model(model.folder / NAME, compile=False)
    app = flask.Flask(__name__)

    @app.post("/predict")
    def predict() -> flask.Response:
        pixels = picture.read(flask.request.get_data(), model.spec)
        batch = keras.applications.resnet.preprocess_input(pixels.astype("float32"))
        logits = network.predict_on_batch(batch)[0]
        return flask.jsonify(picture.rank(logits, model.labels))

    waitress.serve(app, host="127.0.0.1", port=port, threads=8, _quiet=True)


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        serve(int(sys.argv[1]))
