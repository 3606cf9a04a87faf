//! From a request to what `execve` takes: the program's candidates, arguments and environment. Starts nothing.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;

use super::limits::Bounds;
use super::protocol::Start;
use super::sys::Image;
use crate::domain::contract::RUN_ID;

/// Where programs are searched when the child has no PATH; as `execvpe` of glibc.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The environment that the orchestrator itself was started with.
pub(super) struct BaseEnvironment(BTreeMap<Vec<u8>, Vec<u8>>);

impl BaseEnvironment {
    /// That of this process.
    pub(super) fn inherited() -> Self {
        let bytes = |(name, value): (OsString, OsString)| (name.into_vec(), value.into_vec());
        Self(std::env::vars_os().map(bytes).collect())
    }

    /// What the child of `start` gets.
    fn of_child(&self, start: &Start) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut environment = if start.clear_environment {
            BTreeMap::new()
        } else {
            self.0.clone()
        };
        for name in &start.removed {
            environment.remove(name.as_bytes());
        }
        for (name, value) in &start.set {
            environment.insert(name.clone().into_bytes(), value.clone().into_bytes());
        }
        environment.insert(RUN_ID.into(), start.run_id.clone().into_bytes());
        environment
    }
}

/// The image of `start`; `None` when a text holds a NUL byte.
pub(super) fn image(
    start: &Start,
    base: &BaseEnvironment,
    bounds: &Bounds,
    [stdin, stdout, stderr]: [RawFd; 3],
) -> Option<Image> {
    let environment = base.of_child(start);
    let path = environment
        .get(b"PATH".as_slice())
        .map_or(DEFAULT_PATH, Vec::as_slice);
    let programs = candidates(start.program.as_bytes(), path);
    let pairs = environment
        .iter()
        .map(|(name, value)| [name.as_slice(), b"=", value.as_slice()].concat());
    Some(Image {
        programs: c_strings(programs)?,
        arguments: c_strings(start.arguments.iter().map(|text| text.clone().into_bytes()))?,
        environment: c_strings(pairs)?,
        directory: CString::new(start.directory.as_str()).ok()?,
        stdin,
        stdout,
        stderr,
        rlimits: bounds.rlimits.clone(),
        entrances: bounds
            .groups
            .entrances
            .iter()
            .map(AsRawFd::as_raw_fd)
            .collect(),
    })
}

/// The paths to try: the program itself when it has a slash, else one in each folder of `path`.
fn candidates(program: &[u8], path: &[u8]) -> Vec<Vec<u8>> {
    if program.contains(&b'/') {
        return vec![program.to_vec()];
    }
    let folders = path
        .split(|byte| *byte == b':')
        .filter(|folder| !folder.is_empty());
    folders
        .map(|folder| [folder, b"/", program].concat())
        .collect()
}

fn c_strings(texts: impl IntoIterator<Item = Vec<u8>>) -> Option<Vec<CString>> {
    texts
        .into_iter()
        .map(|text| CString::new(text).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_slash_is_searched_in_every_folder_of_the_path() {
        assert_eq!(
            candidates(b"true", b"/bin::/usr/bin"),
            [b"/bin/true".to_vec(), b"/usr/bin/true".to_vec()]
        );
        assert_eq!(candidates(b"./true", b"/bin"), [b"./true".to_vec()]);
    }

    #[test]
    fn the_configured_environment_wins_over_the_inherited_one_and_removed_names_are_gone() {
        let base = BaseEnvironment(BTreeMap::from([
            (b"A".to_vec(), b"1".to_vec()),
            (b"B".to_vec(), b"2".to_vec()),
        ]));
        let start = Start {
            id: 1,
            run_id: "r".into(),
            program: "x".into(),
            arguments: vec![],
            clear_environment: false,
            removed: vec!["B".into()],
            set: vec![("A".into(), "3".into())],
            directory: ".".into(),
            limits: crate::domain::ResourceLimits::default(),
        };
        let environment = base.of_child(&start);
        assert_eq!(environment.get(b"A".as_slice()), Some(&b"3".to_vec()));
        assert_eq!(environment.get(b"B".as_slice()), None);
        assert_eq!(environment.get(RUN_ID.as_bytes()), Some(&b"r".to_vec()));
    }
}
