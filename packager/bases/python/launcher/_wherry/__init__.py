"""What turns the interpreter module into the `python` that people know."""
