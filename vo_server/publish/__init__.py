"""From a table's file to a draft of its catalogue file: what it says is kept, what it does not say is guessed and
marked."""
