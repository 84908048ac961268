"""The databases; each knows how to say the sky."""
