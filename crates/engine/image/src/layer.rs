//! From the blob of a layer to what it puts into an image's folder.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use store::Digest;

use crate::error::LayerError;
use crate::limits::{LAYER_OVERHEAD, UNPACKED_BYTES};
use crate::tarball;
use crate::tree::Tree;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Unpacks a layer, whose content has the digest `content`, onto those before it.
pub(crate) fn unpack(blob: File, content: &Digest, tree: &mut Tree) -> Result<(), LayerError> {
    tree.begin_layer();
    let mut reader = Hashing {
        // Whoever sends nothing but padding is not waited for.
        inner: decompress(blob)?.take(UNPACKED_BYTES + LAYER_OVERHEAD),
        hasher: Sha256::new(),
    };
    tarball::read(&mut reader, |entry| tree.place(entry))?;
    // What lies behind the archive's end belongs to the digest.
    io::copy(&mut reader, &mut io::sink())?;
    let found = Digest::from(<[u8; 32]>::from(reader.hasher.finalize()));
    if found == *content {
        Ok(())
    } else {
        Err(LayerError::Damaged {
            expected: *content,
            found,
        })
    }
}

/// The content of a file that may be compressed, as its first bytes tell.
pub(crate) fn decompress(file: File) -> io::Result<Box<dyn Read>> {
    use std::os::unix::fs::FileExt as _;
    let mut mark = [0; 4];
    let length = file.read_at(&mut mark, 0)?;
    let mark = mark.get(..length).unwrap_or_default();
    let reader = BufReader::with_capacity(1 << 16, file);
    Ok(if mark.starts_with(GZIP) {
        Box::new(MultiGzDecoder::new(reader))
    } else if mark.starts_with(ZSTD) {
        Box::new(zstd::Decoder::with_buffer(reader)?)
    } else {
        Box::new(reader)
    })
}

struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}
