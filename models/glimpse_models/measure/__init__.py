"""Classifiers of every kind behind one interface, and what is measured of them."""
