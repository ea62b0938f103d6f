"""The parameters of a run: every knob, its unit, its range and its default, checked before any work."""
