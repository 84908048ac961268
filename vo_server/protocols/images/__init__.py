"""The protocols for images: SIA 1.0 and 2.0, DataLink, SODA, previews, and the image files themselves."""
