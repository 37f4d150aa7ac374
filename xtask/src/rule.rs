//! The one rule of the design, and what every crate of the workspace keeps.
