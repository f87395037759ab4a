//! The integration tests of the example, one binary.

mod oracle;
mod intake;
mod intake_faults;
mod provider;
mod provider_kill;
mod bank;
mod system;
mod large;
