"""What `bands bench` measures."""
