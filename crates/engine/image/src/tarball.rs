//! Reading tar archives, entry by entry.
//!
//! Headers that extend others (long names, attributes) are read here rather than by the tar crate,
//! which takes them into memory however large they say that they are.

use std::io::{self, Read};

use tar::{Archive, EntryType, PaxExtensions};

use crate::error::LayerError;
use crate::limits::{EXTENSION_BYTES, PATH_BYTES};

/// One entry.
pub(crate) struct Entry<'a> {
    /// As it was written: `./a/b`, `a/b/`.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permissions with the set-id and sticky bits.
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    pub(crate) size: u64,
    /// Where the content begins in the archive.
    pub(crate) offset: u64,
    pub(crate) content: &'a mut dyn Read,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// With its target.
    Symlink(Vec<u8>),
    /// To another entry of the archive, or of what it is unpacked onto.
    Hardlink(Vec<u8>),
    /// A device, a pipe: nothing that images bring.
    Special,
}

/// What headers said about the entry that comes next.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    modified: Option<i64>,
    size: Option<u64>,
}

/// Calls `each` with every entry, to the end of the archive.
///
/// # Errors
/// The archive is damaged, uses what is not supported, or `each` fails.
pub(crate) fn read<R: Read>(
    reader: R,
    mut each: impl FnMut(Entry<'_>) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    let mut archive = Archive::new(reader);
    let mut extension = Extension::default();
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let header = entry.header();
        let size = header.entry_size()?;
        let kind = header.entry_type();
        match kind {
            EntryType::GNULongName => {
                extension.name = Some(terminated(bounded(&mut entry, size)?));
                continue;
            }
            EntryType::GNULongLink => {
                extension.link = Some(terminated(bounded(&mut entry, size)?));
                continue;
            }
            EntryType::XHeader => {
                extension.take(&bounded(&mut entry, size)?)?;
                continue;
            }
            // Attributes of the whole archive: comments.
            EntryType::XGlobalHeader => continue,
            _ => {}
        }
        let said = std::mem::take(&mut extension);
        let name = said.name.unwrap_or_else(|| entry.path_bytes().into_owned());
        if name.len() > PATH_BYTES {
            return Err(LayerError::Name(shown(&name)));
        }
        let unsupported = |what| LayerError::Unsupported {
            name: shown(&name),
            what,
        };
        if said.size.is_some_and(|said| said != size) {
            return Err(unsupported("a file of more than 8 GiB"));
        }
        let link = || {
            let link = said
                .link
                .clone()
                .or_else(|| entry.link_name_bytes().map(Into::into));
            let link = link.unwrap_or_default();
            if link.is_empty() || link.len() > PATH_BYTES {
                return Err(LayerError::Name(shown(&link)));
            }
            Ok(link)
        };
        let kind = match kind {
            // Archives from before POSIX mark folders by a slash alone.
            EntryType::Regular if name.ends_with(b"/") => Kind::Folder,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink => Kind::Symlink(link()?),
            EntryType::Link => Kind::Hardlink(link()?),
            EntryType::GNUSparse => return Err(unsupported("a sparse file")),
            _ => Kind::Special,
        };
        let modified = said.modified.unwrap_or_else(|| {
            let modified = entry.header().mtime().unwrap_or_default();
            i64::try_from(modified).unwrap_or_default()
        });
        each(Entry {
            kind,
            mode: entry.header().mode().unwrap_or(0o644),
            modified,
            size,
            offset: entry.raw_file_position(),
            name,
            content: &mut entry,
        })?;
    }
    Ok(())
}

impl Extension {
    /// Takes over what a header of POSIX's says.
    fn take(&mut self, header: &[u8]) -> Result<(), LayerError> {
        for record in PaxExtensions::new(header) {
            let record = record?;
            let text = || std::str::from_utf8(record.value_bytes()).unwrap_or_default();
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_owned()),
                b"linkpath" => self.link = Some(record.value_bytes().to_owned()),
                b"size" => self.size = text().parse().ok(),
                // With a fraction, which nobody compares.
                b"mtime" => {
                    let whole = text().split('.').next().unwrap_or_default();
                    self.modified = whole.parse().ok();
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(LayerError::Unsupported {
                        name: shown(self.name.as_deref().unwrap_or_default()),
                        what: "a sparse file",
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn bounded(entry: &mut impl Read, size: u64) -> Result<Vec<u8>, LayerError> {
    if size > EXTENSION_BYTES {
        let error = format!("a header of {size} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, error).into());
    }
    let mut bytes = Vec::new();
    entry.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn terminated(mut text: Vec<u8>) -> Vec<u8> {
    if let Some(end) = text.iter().position(|byte| *byte == 0) {
        text.truncate(end);
    }
    text
}

/// A name, for people: as much of it as anybody reads.
pub(crate) fn shown(name: &[u8]) -> String {
    const ENOUGH: usize = 200;
    String::from_utf8_lossy(name.get(..ENOUGH).unwrap_or(name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn names(archive: &[u8]) -> Result<Vec<String>, LayerError> {
        let mut names = Vec::new();
        read(archive, |entry| {
            names.push(String::from_utf8(entry.name).unwrap());
            Ok(())
        })?;
        Ok(names)
    }

    #[test]
    fn long_names_are_whole() {
        let long = "folder/".repeat(40) + "file";
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(2);
        builder.append_data(&mut header, &long, &b"hi"[..]).unwrap();
        builder
            .append_pax_extensions([("path", long.as_bytes()), ("mtime", b"12.5")])
            .unwrap();
        let mut header = Header::new_ustar();
        header.set_size(0);
        builder
            .append_data(&mut header, "short", io::empty())
            .unwrap();
        let archive = builder.into_inner().unwrap();
        assert_eq!(names(&archive).unwrap(), [long.clone(), long]);
    }

    #[test]
    fn headers_that_would_fill_the_memory_are_refused() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(1 << 40);
        header.set_cksum();
        let refused = names(header.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("a header of"), "{refused}");
    }

    #[test]
    fn a_truncated_archive_is_refused() {
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(2_000);
        builder
            .append_data(&mut header, "file", &[1; 2_000][..])
            .unwrap();
        let mut archive = builder.into_inner().unwrap();
        archive.truncate(1_000);
        let read = read(&*archive, |entry| {
            io::copy(entry.content, &mut io::sink())?;
            Ok(())
        });
        assert!(read.is_err());
    }
}
