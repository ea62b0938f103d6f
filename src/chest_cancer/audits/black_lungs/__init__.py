"""Pictures in which the lungs are black."""
