"""Identity: how much of a score is knowing the patient."""
