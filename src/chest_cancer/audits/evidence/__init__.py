"""Evidence maps: whether they show what counted for the answer."""
