//! The package of a .docx (ECMA-376 part 2): entries, relationships, and their limits.
//!
//! It inflates only the XML parts that are asked for, in memory; media is looked at as stored. It knows nothing of
//! what the parts say.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::hash;
use super::limits::{Limit, Limits, ReadError};
use super::xml::{Budget, Item, Xml};

/// An open package.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Lower-case name to index: names of parts are compared without case (part 2, 6.2.2.3).
    names: HashMap<String, usize>,
    limits: &'a Limits,
    inflated: u64,
    hashes: HashMap<usize, String>,
}

/// One relationship of a part.
#[derive(Debug, Clone)]
pub(super) struct Relationship {
    pub(super) id: String,
    /// The last segment of the type: `footnotes`, `image`.
    pub(super) kind: String,
    /// The name of a part, or the address if external.
    pub(super) target: String,
    pub(super) external: bool,
}

impl<'a> Package<'a> {
    /// Opens a package and refuses what no document needs.
    pub(super) fn open(bytes: &'a [u8], limits: &'a Limits) -> Result<Self, ReadError> {
        if bytes.len() as u64 > limits.file_bytes {
            return Err(over(Limit::FileBytes, limits.file_bytes, "arquivo"));
        }
        refuse_other_formats(bytes)?;
        // Counted before the directory is parsed, because a parsed entry takes several times its stored size.
        let headers = bytes
            .windows(4)
            .filter(|window| *window == b"PK\x01\x02")
            .count();
        if headers as u64 > limits.entries {
            return Err(over(Limit::Entries, limits.entries, "arquivo"));
        }
        let archive =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| zip_error(&error, "arquivo"))?;
        let names = entry_names(&archive, headers)?;
        Ok(Self {
            archive,
            names,
            limits,
            inflated: 0,
            hashes: HashMap::new(),
        })
    }

    /// Whether an entry of that name exists.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains_key(&name.to_lowercase())
    }

    /// A name that ends so, without regard to case.
    pub(super) fn name_ending(&self, end: &str) -> Option<&str> {
        self.names
            .keys()
            .filter(|name| name.ends_with(end))
            .min()
            .map(String::as_str)
    }

    /// Inflates a part and decodes it as UTF-8 or UTF-16; `None` if there is no such entry.
    pub(super) fn read(
        &mut self,
        name: &str,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<String>, ReadError> {
        let Some(index) = self.names.get(&name.to_lowercase()).copied() else {
            return Ok(None);
        };
        let bytes = self.inflate(index, name, cancelled)?;
        decode(bytes, name).map(Some)
    }

    /// The hash of an entry's bytes as they are stored.
    pub(super) fn stored_hash(&mut self, name: &str) -> Option<String> {
        let index = *self.names.get(&name.to_lowercase())?;
        if let Some(known) = self.hashes.get(&index) {
            return Some(known.clone());
        }
        let mut bytes = Vec::new();
        let entry = self.archive.by_index_raw(index).ok()?;
        entry
            .take(self.limits.file_bytes)
            .read_to_end(&mut bytes)
            .ok()?;
        let hash = hash::strong(&bytes);
        self.hashes.insert(index, hash.clone());
        Some(hash)
    }

    /// The relationships of a part (`""` for the package's own), in the order of the file.
    pub(super) fn relationships(
        &mut self,
        part: &str,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Relationship>, ReadError> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let slash = if folder.is_empty() { "" } else { "/" };
        let name = format!("{folder}{slash}_rels/{file}.rels");
        let Some(text) = self.read(&name, budget.cancelled)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut xml = Xml::new(&text, &name, budget);
        xml.foresee()?;
        while let Some(item) = xml.next()? {
            let Item::Open(element) = item else { continue };
            if element.local() != "Relationship" {
                continue;
            }
            let kind = element.plain("Type").unwrap_or_default();
            let target = element.plain("Target").unwrap_or_default();
            let external = element
                .plain("TargetMode")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("external"));
            found.push(Relationship {
                id: element.plain("Id").unwrap_or_default(),
                kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
                target: if external {
                    target
                } else {
                    resolve(folder, &target)
                },
                external,
            });
        }
        Ok(found)
    }

    fn inflate(
        &mut self,
        index: usize,
        name: &str,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, ReadError> {
        let limits = self.limits;
        let mut entry = self
            .archive
            .by_index(index)
            .map_err(|error| zip_error(&error, name))?;
        let (claimed, stored) = (entry.size(), entry.compressed_size());
        // What the directory says is believed only where it refuses; what comes out is counted all the same.
        check_sizes(limits, name, claimed, stored)?;
        let mut bytes = Vec::with_capacity(usize::try_from(claimed).unwrap_or(0));
        let mut chunk = [0; 16 * 1024];
        loop {
            let count = entry
                .read(&mut chunk)
                .map_err(|error| io_error(&error, name))?;
            if count == 0 {
                break;
            }
            bytes.extend(chunk.iter().take(count));
            let length = bytes.len() as u64;
            check_sizes(limits, name, length, stored)?;
            if self.inflated.saturating_add(length) > limits.total_bytes {
                return Err(over(Limit::TotalBytes, limits.total_bytes, name));
            }
            if cancelled() {
                return Err(ReadError::Cancelled);
            }
        }
        if bytes.len() as u64 != claimed {
            return Err(ReadError::SizeMismatch {
                name: name.to_owned(),
            });
        }
        self.inflated += claimed;
        Ok(bytes)
    }
}

/// Checks the inflated size of a part against its own limits.
fn check_sizes(limits: &Limits, name: &str, inflated: u64, stored: u64) -> Result<(), ReadError> {
    if inflated > limits.part_bytes {
        return Err(over(Limit::PartBytes, limits.part_bytes, name));
    }
    if inflated > limits.ratio_free_bytes && inflated / limits.ratio.max(1) > stored {
        return Err(over(Limit::Ratio, limits.ratio, name));
    }
    Ok(())
}

fn over(limit: Limit, allowed: u64, part: &str) -> ReadError {
    ReadError::Limit {
        limit,
        allowed,
        part: part.to_owned(),
    }
}

/// Tells the formats that people confuse with .docx by their first bytes.
fn refuse_other_formats(bytes: &[u8]) -> Result<(), ReadError> {
    let reason = if bytes.starts_with(b"PK") {
        return Ok(());
    } else if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        // An encrypted document is a compound file with this stream ([MS-OFFCRYPTO] 2.3.4.4).
        let name: Vec<u8> = "EncryptedPackage"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        if bytes.windows(name.len()).any(|window| window == name) {
            return Err(ReadError::Encrypted {
                name: "arquivo".to_owned(),
            });
        }
        "parece ser um .doc antigo; salve-o como .docx"
    } else if bytes.starts_with(b"{\\rtf") {
        "é um RTF; salve-o como .docx"
    } else if bytes.is_empty() {
        "está vazio"
    } else {
        "não é um pacote ZIP"
    };
    Err(ReadError::NotDocx {
        reason: reason.to_owned(),
    })
}

fn entry_names(
    archive: &ZipArchive<Cursor<&[u8]>>,
    headers: usize,
) -> Result<HashMap<String, usize>, ReadError> {
    let metadata = archive.metadata();
    let mut names = HashMap::with_capacity(headers);
    for index in 0..archive.len() {
        let entry = metadata
            .entry(index)
            .map_err(|error| zip_error(&error, "arquivo"))?;
        let name = entry.name().map_err(|error| zip_error(&error, "arquivo"))?;
        let name = name.replace('\\', "/").trim_start_matches('/').to_owned();
        if entry.encrypted() {
            return Err(ReadError::Encrypted { name });
        }
        if names.insert(name.to_lowercase(), index).is_some() {
            return Err(ReadError::DuplicateEntry { name });
        }
    }
    if archive.has_duplicate_names() {
        return Err(ReadError::DuplicateEntry {
            name: "(repetido no diretório)".to_owned(),
        });
    }
    Ok(names)
}

fn zip_error(error: &ZipError, name: &str) -> ReadError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ReadError::Encrypted {
                name: name.to_owned(),
            }
        }
        ZipError::Io(error) => io_error(error, name),
        other => ReadError::Zip {
            reason: format!("{name}: {other}"),
        },
    }
}

fn io_error(error: &std::io::Error, name: &str) -> ReadError {
    let text = error.to_string();
    // The decoder's own words: there is no kind of error to tell these two by.
    if text.to_lowercase().contains("checksum") || text.contains("declared uncompressed size") {
        return ReadError::SizeMismatch {
            name: name.to_owned(),
        };
    }
    ReadError::Zip {
        reason: format!("{name}: {text}"),
    }
}

/// Decodes a part; XML without a mark is UTF-8 (XML 1.0, appendix F).
fn decode(bytes: Vec<u8>, name: &str) -> Result<String, ReadError> {
    let unit: Option<fn([u8; 2]) -> u16> = match bytes.as_slice() {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, b'<', ..] => Some(u16::from_be_bytes),
        _ => None,
    };
    let invalid = |position: usize, what: &str| ReadError::Xml {
        part: name.to_owned(),
        position: position as u64,
        reason: what.to_owned(),
    };
    let text = if let Some(unit) = unit {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map_err(|_| invalid(0, "UTF-16 inválido"))?
    } else {
        String::from_utf8(bytes)
            .map_err(|error| invalid(error.utf8_error().valid_up_to(), "UTF-8 inválido"))?
    };
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Resolves a relative target against a folder (RFC 3986, 5.2.4), within the package.
fn resolve(folder: &str, target: &str) -> String {
    let mut segments: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').collect()
    };
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    segments.retain(|segment| !segment.is_empty());
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved_within_the_package() {
        assert_eq!(resolve("word", "media/a.png"), "word/media/a.png");
        assert_eq!(resolve("word", "/word/b.xml"), "word/b.xml");
        assert_eq!(resolve("word", "../../../etc/passwd"), "etc/passwd");
    }

    #[test]
    fn other_formats_are_told_by_their_first_bytes() {
        let kind = |bytes: &[u8]| refuse_other_formats(bytes).map_err(|error| error.kind());
        assert_eq!(kind(b"{\\rtf1}"), Err("not-docx"));
        assert_eq!(kind(b""), Err("not-docx"));
        assert_eq!(kind(b"PK\x03\x04"), Ok(()));
        let mut sealed = vec![0xd0, 0xcf, 0x11, 0xe0];
        sealed.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(kind(&sealed), Err("encrypted"));
    }

    #[test]
    fn parts_in_utf_16_are_decoded() {
        let mut bytes = vec![0xfe, 0xff];
        bytes.extend("<á/>".encode_utf16().flat_map(u16::to_be_bytes));
        assert_eq!(decode(bytes, "x").as_deref(), Ok("<á/>"));
    }
}
