"""Robustness: what changes answers although it changes nothing that matters."""
