//! A model's bytes to ONNX Runtime, and out of memory before its weights are laid out.
//!
//! ONNX Runtime takes a model from memory or from a file. From memory, the bytes would stay there
//! until the session is complete, and it needs most just before that. From a file, they could be
//! others than those whose checksum was checked. So the checked bytes go through a pipe, which is a
//! file as well, and are dropped once they are in.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::thread;

use ort::session::Session;
use ort::session::builder::SessionBuilder;

/// Where Linux shows a process the files that it has open: proc(5).
const OPEN_FILES: &str = "/proc/self/fd";

/// The session of `model`. Blocks, and writes from a thread of its own meanwhile.
pub(crate) fn commit(
    mut builder: SessionBuilder,
    model: impl AsRef<[u8]> + Send,
) -> ort::Result<Session> {
    let Some(Pipe { path, reader, mut writer }) = Pipe::open() else {
        return builder.commit_from_memory(model.as_ref());
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(error) = writer.write_all(model.as_ref()) {
                tracing::debug!(%error, "ONNX Runtime did not read the whole model");
            }
        });
        let session = builder.commit_from_file(path);
        // Where ONNX Runtime stopped early, the writer still waits for a reader, which this is too.
        drop(reader);
        session
    })
}

/// A pipe that can be read by its path.
struct Pipe {
    path: PathBuf,
    reader: PipeReader,
    writer: PipeWriter,
}

impl Pipe {
    /// None where a sandbox shows no `/proc`, or not this process's files.
    fn open() -> Option<Self> {
        let (reader, writer) = io::pipe().ok()?;
        let path = Path::new(OPEN_FILES).join(reader.as_raw_fd().to_string());
        File::open(&path).is_ok().then_some(Self { path, reader, writer })
    }
}
