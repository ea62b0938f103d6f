"""DICOM files to pixels; `read.decode_dicom` is the way in, and `decoding.decode_image` the only one that takes it."""
