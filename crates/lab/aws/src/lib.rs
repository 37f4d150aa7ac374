//! Targets, credentials, starting the engine when none runs, one handle for a function.
