"""`POST /predict`: images in, a JSON list out."""

from collections.abc import Iterable

from flask import Blueprint, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue

from app.answers import answer
from app.capacity import Capacity
from app.model import ModelSource
from app.patient import answer_patient, is_one_patient, records
from app.problems import ProblemError
from app.slices import read_slices
from app.uploads import FIELD, Upload, is_raw, is_yes, read_form, read_json, read_raw

blueprint = Blueprint("prediction", __name__)


@blueprint.post("/predict")
def predict() -> ResponseReturnValue:
    """Classify the images of a form, the image of a JSON body, or the image that the body is.

    `?explain=1` adds evidence maps.

    A form with `one_patient` gets the answer about the patient, too.
    """
    model = ModelSource.of(current_app).get()
    explain = is_yes(request.args.get("explain", ""))
    capacity = Capacity.of(current_app)
    with capacity.admit():
        files = read_slices(_read_uploads(), current_app.config["MAX_PIXELS"], model.classifier, capacity)
        answers = answer(files, model, capacity)
    patient = answer_patient(answers, model) if is_one_patient(request) else None
    return jsonify(records(answers, patient, model, g.request_id, explain))


def _read_uploads() -> Iterable[Upload]:
    if request.mimetype == "multipart/form-data":
        return read_form(request)
    if request.is_json:
        return [read_json(request)]
    if is_raw(request):
        return [read_raw(request)]
    detail = (
        f"Expected multipart/form-data with files in `{FIELD}`, application/json with base64 in `{FIELD}`, or the file "
        "itself as image/png, another image type or application/dicom. "
        f"Received: {request.mimetype or 'no content type'}."
    )
    raise ProblemError("unsupported-media-type", "Unsupported media type", 415, detail)
