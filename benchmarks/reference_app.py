"""The public projects' `/predict`: one file for all uploads, and the model is loaded from disk for each request.

`python -m benchmarks.reference_app <model.keras> <port>`, in a folder where `inputImage.jpg` may be written.
"""

import base64
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from flask import Flask, Response, jsonify, request
from keras.saving import load_model
from keras.utils import img_to_array, load_img

app = Flask(__name__)


@app.post("/predict")
def predict() -> Response:
    """Answer as the public projects do."""
    upload = Path("inputImage.jpg")
    upload.write_bytes(base64.b64decode(request.json["image"]))
    model = load_model(sys.argv[1])
    pixels = np.expand_dims(img_to_array(load_img(upload, target_size=(224, 224))), axis=0)
    result = np.argmax(model.predict(pixels, verbose=0), axis=1)
    return jsonify([{"image": "Normal" if result[0] == 1 else "Adenocarcinoma Cancer"}])


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[2]))
