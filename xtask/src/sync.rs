//! Making one folder equal another without touching the files that are equal already.

use std::fs;
use std::io;
use std::path::Path;

/// Makes `to` hold what `from` holds, and returns how many files had to be written or removed. The time
/// stamps of all others stay, so nothing is rebuilt because of them.
pub(crate) fn mirror(from: &Path, to: &Path) -> io::Result<usize> {
    fs::create_dir_all(to)?;
    let mut changed = 0;
    for entry in fs::read_dir(to)? {
        let path = entry?.path();
        let source = from.join(path.file_name().unwrap_or_default());
        if source.is_dir() != path.is_dir() || !source.exists() {
            if path.is_dir() {
                fs::remove_dir_all(&path)?
            } else {
                fs::remove_file(&path)?
            }
            changed += 1;
        }
    }
    for entry in fs::read_dir(from)? {
        let source = entry?.path();
        let target = to.join(source.file_name().unwrap_or_default());
        if source.is_dir() {
            changed += mirror(&source, &target)?;
        } else {
            let content = fs::read(&source)?;
            if fs::read(&target).ok().as_ref() != Some(&content) {
                fs::write(&target, content)?;
                changed += 1;
            }
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_are_written() {
        let folder = std::env::temp_dir().join(format!("xtask-sync-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("a"), "1").unwrap();
        fs::write(from.join("sub/b"), "2").unwrap();
        assert_eq!(mirror(&from, &to).unwrap(), 2);
        let stamp = fs::metadata(to.join("a")).unwrap().modified().unwrap();

        assert_eq!(mirror(&from, &to).unwrap(), 0);
        assert_eq!(fs::metadata(to.join("a")).unwrap().modified().unwrap(), stamp);

        fs::write(from.join("sub/b"), "3").unwrap();
        fs::write(to.join("stale"), "").unwrap();
        assert_eq!(mirror(&from, &to).unwrap(), 2);
        assert_eq!(fs::read_to_string(to.join("sub/b")).unwrap(), "3");
        assert!(!to.join("stale").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
