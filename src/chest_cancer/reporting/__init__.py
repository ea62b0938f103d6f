"""What people read: the report, the cards of model and data, plots and pictures."""
