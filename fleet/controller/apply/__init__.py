"""Carries out what was planned: files, programs, signals."""
