//! What the orchestrator and its spawner say to each other: frames of a length (u32, little endian) and JSON.
//! Refuses to know what is done with a message. The two write ends of a run's pipes travel beside its `Start`.

use std::io::{self, IoSliceMut, Read as _, Write};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use serde::{Deserialize, Serialize};

use super::sys;
use crate::domain::{Escaped, ResourceLimits};

/// The largest frame: the kernel's own limit for arguments and environment is near 2 MiB.
const MAX_FRAME: usize = 8 << 20;

/// Orchestrator to spawner.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Start a program.
    Start(Box<Start>),
    /// Signal the group of a run.
    Signal { id: u64, signal: i32 },
}

/// A program to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Start {
    /// Chosen by the orchestrator; every report about the run carries it.
    pub(super) id: u64,
    /// The mark of the run in its descendants' environments.
    pub(super) run_id: String,
    /// A path, or a name that is searched in the child's PATH.
    pub(super) program: String,
    /// The arguments, with the name of the program as the child sees it in front.
    pub(super) arguments: Vec<String>,
    /// Whether the child starts from an empty environment.
    pub(super) clear_environment: bool,
    /// Variables that are taken out.
    pub(super) removed: Vec<String>,
    /// Variables that are set.
    pub(super) set: Vec<(String, String)>,
    /// The working directory.
    pub(super) directory: String,
    /// What it may use.
    pub(super) limits: ResourceLimits,
}

/// Spawner to orchestrator.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The program runs.
    Started { id: u64, pid: i32 },
    /// It could not be started.
    Failed { id: u64, step: Step, errno: i32 },
    /// It ended, and nothing of its run is left.
    Ended { id: u64, end: End },
    /// Processes that could have been of several runs were ended when no run was left.
    Strays(Escaped),
}

/// The step at which a start failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Making the process.
    Fork,
    /// Entering its working directory.
    Directory,
    /// Connecting its output.
    Output,
    /// Bounding what it may use.
    Limits,
    /// Executing the program.
    Exec,
}

/// How a process ended and what it used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct End {
    /// The exit code, when it exited.
    pub(super) code: Option<i32>,
    /// The signal, when one ended it.
    pub(super) signal: Option<i32>,
    /// Whether its group was signalled while it ran.
    pub(super) was_signalled: bool,
    /// CPU time in user mode, microseconds.
    pub(super) user_micros: u64,
    /// CPU time in the kernel, microseconds.
    pub(super) system_micros: u64,
    /// Peak resident memory, KiB.
    pub(super) max_rss_kib: u64,
    /// Start to end, microseconds, as the spawner saw it.
    pub(super) elapsed_micros: u64,
    /// Whether the kernel killed something of the run for want of memory.
    pub(super) is_oom: bool,
    /// Processes that outlived the leader and were killed.
    pub(super) escaped: Escaped,
    /// Processes that could not be ended.
    pub(super) left: u32,
}

/// A message as one frame.
pub(super) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4)
        .ok()
        .filter(|length| *length as usize <= MAX_FRAME);
    let Some(length) = length else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "command and environment are too large",
        ));
    };
    if let Some(header) = bytes.first_chunk_mut() {
        *header = length.to_le_bytes();
    }
    Ok(bytes)
}

/// Reads one request with the descriptors beside it; `None` at the end of the conversation.
pub(super) fn receive(socket: &mut UnixStream) -> io::Result<Option<(Request, Vec<OwnedFd>)>> {
    let mut header = [0_u8; 4];
    let mut control = nix::cmsg_space!([RawFd; 2]);
    let mut buffers = [IoSliceMut::new(&mut header)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_WAITALL;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags)?;
    if message.bytes < 4 {
        return Ok(None);
    }
    let mut streams = Vec::new();
    let is_cut = message.flags.contains(MsgFlags::MSG_CTRUNC);
    // Without room for more descriptors they do not come, and this start fails, but nothing else.
    for part in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmRights(descriptors) = part {
            streams.extend(descriptors.into_iter().map(sys::own));
        }
    }
    if is_cut {
        drop(sys::received_alone(&control));
    }
    let mut body = vec![0; body_length(header)?];
    socket.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, streams)))
}

/// The length that a header announces.
pub(super) fn body_length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too long"));
    }
    Ok(length)
}

/// Writes one message.
pub(super) fn write(message: &impl Serialize, sink: &mut impl Write) -> io::Result<()> {
    sink.write_all(&frame(message)?)
}
