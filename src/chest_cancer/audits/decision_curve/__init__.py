"""Decision curve: what acting on the classifier's probabilities is worth."""
