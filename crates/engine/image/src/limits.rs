//! How much an image may hold.

/// The most bytes that all layers of an image may hold unpacked.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub(crate) const UNPACKED_BYTES: u64 = 10 << 30;

/// The most files, folders and links that all layers of an image may hold.
pub(crate) const ENTRIES: u64 = 1_000_000;

/// The most that the headers and the padding of a layer may take beside its content, in bytes.
pub(crate) const LAYER_OVERHEAD: u64 = 4 << 30;

/// The longest path in a layer, and the longest target of a link: what the kernel takes.
pub(crate) const PATH_BYTES: usize = 4_096;

/// The largest header by which an archive extends an entry.
pub(crate) const EXTENSION_BYTES: u64 = 1 << 20;

/// The largest manifest, index or configuration.
pub(crate) const DOCUMENT_BYTES: u64 = 8 << 20;

/// The most bytes that an archive may hold that is imported: several platforms of the largest image.
pub(crate) const ARCHIVE_BYTES: u64 = 40 << 30;
