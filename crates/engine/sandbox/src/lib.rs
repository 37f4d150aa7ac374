//! The spawner process and the execution environments; the only crate with unsafe code.
