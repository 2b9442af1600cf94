"""What the desk does by itself as time passes."""
