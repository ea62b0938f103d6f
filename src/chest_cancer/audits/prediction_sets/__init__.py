"""Prediction sets: whether sets of classes hold the true one as often as promised."""
