"""Deployment: checked, backed up, installed, switched, proven, and taken back by itself when it fails."""
