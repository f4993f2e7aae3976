//! The log's folder and file, readable by their owner alone: a mesh's text may have secrets in it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// Makes the folder if it is missing. One that has nothing else in it than the log is closed to others.
pub(super) fn folder(folder: &Path, log: &str) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let mut entries = folder.read_dir()?;
    if entries.all(|entry| {
        entry.is_ok_and(|entry| entry.file_name().as_encoded_bytes().starts_with(log.as_bytes()))
    }) {
        close(folder, 0o700);
    }
    Ok(())
}

/// Makes the file if it is missing, and closes it to others.
pub(super) fn file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    close(path, 0o600);
    Ok(())
}

#[cfg(unix)]
fn close(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let open = path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if open && let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
        // Somebody else's, or a file system without permissions.
        tracing::warn!(path = %path.display(), %error, "others may be able to read this");
    }
}

#[cfg(not(unix))]
fn close(_: &Path, _: u32) {}
