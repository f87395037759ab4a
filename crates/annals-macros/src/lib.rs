//! The derives and attributes of annals.
