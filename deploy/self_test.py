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

ALLOWED_HOSTS = "CHEST_CANCER_ALLOWED_HOSTS"
SAMPLE = Path(__file__).parents[1] / "app/static/samples/normal_1.png"


def main() -> None:
    """Exit with 0 when all is well, else with the reason."""
    parser = argparse.ArgumentParser(description="Wait until the app is ready, and see that it predicts.")
    parser.add_argument("url", help="of the app")
    parser.add_argument("--seconds", type=float, default=60, help="to wait for /readyz")
    parser.add_argument("--images", type=Path, help="folder with <label>_*.png that must be answered with their label")
    parser.add_argument("--settings", type=Path, help="of the app, as for docker run --env-file")
    arguments = parser.parse_args()
    if not arguments.url.startswith("http"):
        parser.error(f"Expected an http address. Received: {arguments.url}")
    try:
        site = site_name(arguments.settings)
        wait_until_ready(arguments.url, arguments.seconds)
        check_answer(predict(arguments.url, SAMPLE, site))
        for image in sorted(arguments.images.glob("*_*.png")) if arguments.images else ():
            label = image.name.rpartition("_")[0]
            if (answer := check_answer(predict(arguments.url, image, site))) != label:
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


def site_name(settings: Path | None) -> str | None:
    """Find a name under which the app answers; None where its settings allow every name.

    Raises:
        ValueError: The setting is no list of names.
    """
    if settings is None or not settings.exists():
        return None
    lines = [line for line in settings.read_text().splitlines() if line.startswith(f"{ALLOWED_HOSTS}=")]
    text = lines[-1].partition("=")[2] if lines else "[]"
    try:
        names = [name.removeprefix(".") for name in json.loads(text)]
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f'{settings}: expected {ALLOWED_HOSTS} to be a JSON list, such as ["ct.example.org"]. Received: {text}'
        ) from error
    return names[0] if names else None


def predict(url: str, image: Path, site: str | None = None) -> Any:
    """Ask for a prediction, as the public projects' clients do.

    Args:
        url: Of the app.
        image: A file.
        site: Name to ask it by; None: the one in the address.

    Raises:
        OSError: No answer.
        ValueError: The answer is an error, or no JSON.
    """
    body = json.dumps({"image": base64.b64encode(image.read_bytes()).decode()}).encode()
    headers = {"Content-Type": "application/json"} | ({"Host": site} if site else {})
    request = urllib.request.Request(f"{url}/predict", body, headers)  # noqa: S310  # http, see main
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # http, see main
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{image.name}: {error.code} {error.read(1000).decode(errors='replace')}") from error


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
