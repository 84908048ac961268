"""VOSI 1.1: availability, capabilities and tables of each service; coverage maps."""
