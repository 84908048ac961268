"""What is published: read from schemas/catalogues, found by ADQL's rules for names, told as TAP_SCHEMA."""
