"""What no database gives us: HEALPix ranges of a region, exact tests on the sphere."""
