"""An archive of studies, such as a hospital's PACS, reached by DICOMweb (DICOM PS3.18)."""
