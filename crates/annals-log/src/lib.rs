//! A segmented append-only log of checksummed frames.
