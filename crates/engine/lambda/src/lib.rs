//! Lambda functions: control plane, Runtime API, scheduler.
