"""Wait until the app is ready, and see that it predicts. Needs nothing but Python.

python3 deploy/self_test.py http://127.0.0.1:8081
"""

import argparse
import base64
import json
import math
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[1] / "app/static/samples/normal_1.png"


def main() -> None:
    """Exit with 0 when all is well, else with the reason."""
    parser = argparse.ArgumentParser(description="Wait until the app is ready, and see that it predicts.")
    parser.add_argument("url", help="of the app")
    parser.add_argument("--seconds", type=float, default=60, help="to wait for /readyz")
    parser.add_argument("--images", type=Path, help="folder with <label>_*.png that must be answered with their label")
    arguments = parser.parse_args()
    if not arguments.url.startswith("http"):
        parser.error(f"Expected an http address. Received: {arguments.url}")
    try:
        wait_until_ready(arguments.url, arguments.seconds)
        check_answer(predict(arguments.url, SAMPLE))
        for image in sorted(arguments.images.glob("*_*.png")) if arguments.images else ():
            label = image.name.rpartition("_")[0]
            if (answer := check_answer(predict(arguments.url, image))) != label:
                raise ValueError(f"{image.name}: expected the label {label}. Received: {answer}")
    except (OSError, ValueError) as error:
        sys.exit(f"self-test: {error}")


def wait_until_ready(url: str, seconds: float) -> None:
    """Ask /readyz until it says yes.

    Raises:
        TimeoutError: It did not within `seconds`; the message holds its last answer.
    """
    deadline = time.monotonic() + seconds
    answer = "nothing"
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310  # http, see main
                return
        except urllib.error.HTTPError as error:
            answer = error.read(1000).decode(errors="replace")
        except OSError as error:
            answer = str(error)
        time.sleep(0.2)
    raise TimeoutError(f"Not ready within {seconds:g} s. Last answer: {answer}")


def predict(url: str, image: Path) -> Any:
    """Ask for a prediction, as the public projects' clients do.

    Raises:
        OSError: No answer, or an error.
        ValueError: The answer is no JSON.
    """
    body = json.dumps({"image": base64.b64encode(image.read_bytes()).decode()}).encode()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})  # noqa: S310  # http
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # http, see main
        return json.load(response)


def check_answer(answer: Any) -> str:
    """Return the label of an answer that makes sense, or why there is none.

    Raises:
        ValueError: It is not one record whose probabilities add up to 1 and whose label is one of them, or which gives
            a reason for having none.
    """
    try:
        [record] = answer
        probabilities = record["probabilities"]
        sound = math.isclose(sum(probabilities.values()), 1, abs_tol=1e-3) and min(probabilities.values()) >= 0
        label, reason = record["label"], record["reason"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"Expected one record with label and probabilities. Received: {answer}") from error
    if not sound or (label not in probabilities and not reason):
        raise ValueError(f"Expected probabilities of each label that add up to 1. Received: {answer}")
    return str(label or reason)


if __name__ == "__main__":
    main()
