//! The lines of a processor in a file that is rotated by size. Refuses to know what the lines say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::{OutputFileSpec, OutputLine};

/// An open file. What is written goes to it by [`OutputFile::flush`], which alone tells whether it could.
pub struct OutputFile {
    path: PathBuf,
    spec: OutputFileSpec,
    writer: BufWriter<File>,
    length: u64,
}

impl OutputFile {
    /// Opens `path` to append to it; its folder is made if it is not there.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be written.
    pub fn open(path: &Path, spec: &OutputFileSpec) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let (writer, length) = append_to(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            spec: spec.clone(),
            writer,
            length,
        })
    }

    /// Appends one line with its time and stream; begins a new file first when this one is full.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or not be rotated.
    pub fn write(&mut self, line: &OutputLine) -> io::Result<()> {
        let text = format!("{:.3} {} {}\n", line.at, line.stream.label(), line.text);
        if self.length > 0 && self.length + text.len() as u64 > self.spec.rotate_at {
            self.rotate()?;
        }
        self.writer.write_all(text.as_bytes())?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Hands everything that was written to the system.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// `NAME.log` becomes `NAME.log.1`, that `NAME.log.2`, and the last copy goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        for number in (1..self.spec.copies).rev() {
            rename(
                &numbered(&self.path, number),
                &numbered(&self.path, number + 1),
            )?;
        }
        if self.spec.copies == 0 {
            fs::remove_file(&self.path)?;
        } else {
            rename(&self.path, &numbered(&self.path, 1))?;
        }
        (self.writer, self.length) = append_to(&self.path)?;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<(BufWriter<File>, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((BufWriter::new(file), length))
}

/// A copy that is not there yet is none to rename.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Stream, samples};

    #[test]
    fn a_full_file_is_rotated_and_no_more_copies_are_kept_than_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("saidas/um.log");
        let spec = OutputFileSpec {
            rotate_at: 100,
            copies: 2,
        };
        for number in 0..10 {
            let line = OutputLine {
                at: samples::instant(),
                stream: Stream::Stdout,
                text: format!("linha {number}"),
            };
            OutputFile::open(&path, &spec)
                .and_then(|mut file| file.write(&line))
                .expect("written");
        }
        let read = |path: &Path| fs::read_to_string(path).expect("text");
        assert_eq!(
            read(&path),
            "2026-11-22T18:04:06.000Z stdout linha 8\n2026-11-22T18:04:06.000Z stdout linha 9\n"
        );
        assert!(read(&numbered(&path, 1)).ends_with("linha 7\n"));
        assert!(read(&numbered(&path, 2)).ends_with("linha 5\n"));
        assert!(!numbered(&path, 3).exists());
    }
}
