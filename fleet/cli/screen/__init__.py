"""The screen of `fleet top`: a pure core (model → lines, key → model and intent), and a shell of curses around it."""
