"""What cuts across a run, a module for each thing that Kedro calls: `settings.py` registers them."""
