"""Tables to bytes, and back."""
