"""`python -m unittest` in the folder above; needs no broker."""
