//! Reading files that others name, and seeing that they changed: regular ones alone, up to a length. A pipe or a device would be waited for, and some have no end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// All of a regular file that has at most so many bytes.
///
/// # Errors
/// When it cannot be read, is no regular file, or is longer. The error says which.
pub fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Opening a device may do something, and a pipe may have taken the file's place since: looked at before and after.
    regular(&std::fs::metadata(path)?)?;
    let file = open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    if metadata.len() > longest {
        return Err(too_long(longest));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // Some files do not know their length, and some grow.
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest { Err(too_long(longest)) } else { Ok(bytes) }
}

/// What differs when a file or folder has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which one it is: another may have taken its name. 0 where the system does not tell.
    pub identity: u64,
    changed: i128,
    length: u64,
}

/// The stamp of what is at a path now. `None` while that cannot be told.
pub fn stamp(path: &Path) -> Option<Stamp> {
    path.metadata().ok().map(|metadata| of(&metadata))
}

#[cfg(unix)]
fn of(metadata: &std::fs::Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    // The time of the inode: it also moves where somebody sets the other one back.
    let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    Stamp { identity: metadata.ino(), changed, length: metadata.len() }
}

#[cfg(not(unix))]
fn of(metadata: &std::fs::Metadata) -> Stamp {
    let since = metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let changed = since.and_then(|since| i128::try_from(since.as_nanos()).ok());
    Stamp { identity: 0, changed: changed.unwrap_or_default(), length: metadata.len() }
}

fn regular(metadata: &std::fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let kind = if kind.is_dir() { "a folder" } else { other(kind) };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, and only regular files are read")))
}

fn too_long(longest: u64) -> io::Error {
    let longest =
        if longest >= 1 << 20 { format!("{} MiB", longest >> 20) } else { format!("{longest} bytes") };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {longest}"))
}

#[cfg(unix)]
fn other(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn other(_: std::fs::FileType) -> &'static str {
    "no file"
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Of regular files it changes nothing; a pipe that nobody writes to would be waited for without it.
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn regular_files_up_to_a_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert!(read(&file, 4).unwrap_err().to_string().contains("longer than 4 bytes"));
        assert!(read(folder.path(), 5).unwrap_err().to_string().contains("a folder"));
        assert_eq!(read(&folder.path().join("b"), 5).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_is_waited_for_and_nothing_has_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        for (path, said) in [
            (pipe, "a pipe"),
            (link, "a pipe"),
            (folder.path().join("socket"), "a socket"),
            ("/dev/zero".into(), "a device"),
            // A regular file by its own account, of no length, which goes on for long.
            ("/proc/kallsyms".into(), "longer than 100 bytes"),
        ] {
            let error = read(&path, 100).unwrap_err().to_string();
            assert!(error.contains(said), "{}: {error}", path.display());
        }
    }
}
