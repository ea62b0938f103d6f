"""DICOM that goes back into an archive, beside the study that it answers."""
