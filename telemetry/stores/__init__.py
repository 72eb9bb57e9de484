"""Stores of samples behind one interface."""
