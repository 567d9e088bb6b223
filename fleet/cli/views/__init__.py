"""The views of the verbs: tables, lines, pages. They are given all that they show."""
