//! Capabilities, and how to be rid of them.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Has no program that is executed from now on gain any. Takes the right to set capabilities.
pub(super) fn bound() -> io::Result<()> {
    bound_but(CapabilitySet::empty())?;
    Ok(clear_ambient_capability_set()?)
}

/// Has no program that is executed from now on gain any but `kept`.
pub(super) fn bound_but(kept: CapabilitySet) -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            // This kernel knows no more of them.
            Err(rustix::io::Errno::INVAL) => break,
            result => result?,
        }
    }
    Ok(())
}

/// Lets go of those that this process has.
pub(super) fn drop_all() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, none)?)
}
