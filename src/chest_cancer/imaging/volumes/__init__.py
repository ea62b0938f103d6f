"""CT volumes: what scanners and research tools write, made axial slices of Hounsfield units in order."""
