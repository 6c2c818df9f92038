"""The views: each has a layout, and the callbacks that fill it."""
