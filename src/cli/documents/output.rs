//! Files of the user's, read and written with errors that name them. Knows nothing of documents' content.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::{CommandError, Surroundings};
use crate::docx::{self, Document};
use crate::records::NewFile;

/// Reads a .docx and makes sure that it is one.
pub(super) fn read_document(
    path: &Path,
    around: &Surroundings<'_>,
) -> Result<(NewFile, Document), CommandError> {
    read_until(path, around, &around.stopwatch())
}

/// The same until `is_over` answers true.
pub(super) fn read_until(
    path: &Path,
    around: &Surroundings<'_>,
    is_over: &dyn Fn() -> bool,
) -> Result<(NewFile, Document), CommandError> {
    let bytes = read_bytes(path, around.limits.file_bytes)?;
    let document = docx::read_until(&bytes, around.limits, is_over)
        .map_err(|error| complaint(path, &error.to_string()))?;
    Ok((
        NewFile {
            name: file_name(path),
            bytes,
        },
        document,
    ))
}

fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, CommandError> {
    let metadata = fs::metadata(path).map_err(|error| complaint(path, &reason(&error)))?;
    if metadata.is_dir() {
        return Err(complaint(
            path,
            "é um diretório; era esperado um arquivo .docx",
        ));
    }
    if !metadata.is_file() {
        return Err(complaint(
            path,
            "não é um arquivo comum; era esperado um arquivo .docx",
        ));
    }
    if metadata.len() == 0 {
        return Err(complaint(path, "está vazio; era esperado um arquivo .docx"));
    }
    if metadata.len() > limit {
        let size = metadata.len();
        return Err(complaint(
            path,
            &format!("tem {size} bytes; o limite \"arquivo\" é de {limit} bytes"),
        ));
    }
    fs::read(path).map_err(|error| complaint(path, &reason(&error)))
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn complaint(path: &Path, what: &str) -> CommandError {
    CommandError::File(format!("{}: {what}", path.display()))
}

/// What the system says, in Portuguese where it is one of the usual things.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "não existe".to_owned(),
        io::ErrorKind::PermissionDenied => "sem permissão de acesso".to_owned(),
        _ => error.to_string(),
    }
}

/// Writes a file whole, or leaves what was there; `-` is `out`.
pub(super) fn write_file(
    path: &Path,
    bytes: &[u8],
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if path.as_os_str() == "-" {
        return Ok(out.write_all(bytes)?);
    }
    if path.is_dir() {
        return Err(complaint(
            path,
            "é um diretório; era esperado o nome de um arquivo",
        ));
    }
    let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let written = if special {
        fs::write(path, bytes)
    } else {
        write_whole(path, bytes)
    };
    written.map_err(|error| complaint(path, &reason(&error)))
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = Path::new(&name);
    let written = fs::File::create(temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        // What failed matters more than whether its remains could be removed.
        drop(fs::remove_file(temporary));
    }
    written
}
