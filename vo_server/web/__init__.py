"""Pages for people: front page, tables, images, examples, documentation and coverage maps."""
