//! Runs the real binary, as people and scripts do.

mod run;
mod demo;
mod folder;
mod node;
mod exits;
mod starter;
