//! Names of files that edits may make. They become files on people's disks, by export and zip, so none may lead out of its folder.

use mesh::Edit;
use mesh::limits::FILE_NAME_BYTES;

use super::EditError;

/// Refuses edits that make files with other names than a mesh's folder may have.
pub(super) fn check(edits: &[Edit]) -> Result<(), EditError> {
    let made = edits.iter().flat_map(|edit| match edit {
        Edit::AddResource { file, .. } => vec![file],
        Edit::SetFiles { files } => {
            files.iter().filter(|(_, text)| text.is_some()).map(|(path, _)| path).collect()
        }
        _ => Vec::new(),
    });
    for path in made {
        if !allowed(path) {
            return Err(EditError::Unfit(format!(
                "{path:?} cannot be the name of a file: parts with `/` between them, without `..`, drives or hidden names"
            )));
        }
    }
    Ok(())
}

fn allowed(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.contains(['\\', ':'])
            && !part.contains(char::is_control)
    };
    path.len() <= FILE_NAME_BYTES && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (path, expected) in [
            ("a.yaml", true),
            ("a/b c/ü.yaml", true),
            ("", false),
            ("/etc/passwd", false),
            ("../a.yaml", false),
            ("a/../../b.yaml", false),
            ("a//b.yaml", false),
            (".git/config", false),
            ("C:\\a.yaml", false),
            ("a\nb.yaml", false),
        ] {
            assert_eq!(allowed(path), expected, "{path:?}");
        }
    }
}
