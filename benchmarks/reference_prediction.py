"""The public projects' prediction: the Keras model is loaded from disk for each request.

A process of its own, which prints seconds: `python -m benchmarks.reference_prediction <model.keras> <image> <times>`.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main(model_file: str, image_file: str, times: int) -> None:
    import numpy as np
    from keras.saving import load_model
    from keras.utils import img_to_array, load_img

    def predict() -> np.ndarray:
        model = load_model(model_file)
        pixels = np.expand_dims(img_to_array(load_img(image_file, target_size=(224, 224))), axis=0)
        return np.argmax(model.predict(pixels, verbose=0), axis=1)

    predict()
    for _ in range(times):
        start = time.perf_counter()
        predict()
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
