//! The example that the demo runs, carried in the binary: the folder `examples/algorithms`.

use lab_aws::{ArchiveError, pack_files};

macro_rules! example {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../../examples/algorithms/", $name)).as_slice())),+]
    };
}

const FILES: [(&str, &[u8]); 3] = example![
    "algorithms/__init__.py",
    "algorithms/handler.py",
    "algorithms/numerics.py",
];

/// The package as Lambda takes it.
pub(super) fn zip() -> Result<Vec<u8>, ArchiveError> {
    pack_files(&FILES)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_binary_carries_the_whole_example() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/algorithms");
        assert_eq!(
            super::zip().unwrap(),
            lab_aws::pack_folder(&folder).unwrap()
        );
    }
}
