//! Mounts every service on one listener and implements Dispatch.
