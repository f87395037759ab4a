"""Tells customers how their orders ended: a service of the order system, not in Rust."""
