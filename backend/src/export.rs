//! Taking the YAML away: as one file, or as a folder with a kustomization, plain or zipped. The text of the mesh goes out as
//! it is, comments and all.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use mesh::Sources;
use zip::CompressionMethod;
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Name of the file that `kubectl apply -k` looks for.
const KUSTOMIZATION: &str = "kustomization.yaml";

/// All documents in one file, parted by `---`.
pub fn one_file(sources: &Sources) -> String {
    let files = sources.0.iter().filter(|(path, _)| path.as_str() != KUSTOMIZATION);
    // It lists files, and there is but one now.
    mesh::export::to_single(&files.map(|(path, text)| (path.clone(), text.clone())).collect())
}

/// The files with a kustomization that lists them, unless they have one already.
pub fn folder(sources: &Sources) -> BTreeMap<String, String> {
    let mut files = sources.0.clone();
    files.entry(KUSTOMIZATION.to_owned()).or_insert_with(|| mesh::export::kustomization(sources));
    files
}

/// [`folder`] as a zip file. The same mesh makes the same bytes: its entries carry no time. Stored, not deflated: it is
/// a few kilobytes, and the server compresses what it sends.
///
/// # Errors
/// When a path is too long for the format.
pub fn zip(sources: &Sources) -> Result<Vec<u8>, ZipError> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in folder(sources) {
        archive.start_file(path, options)?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_keeps_every_document_as_it_is() {
        let sources: Sources = [
            ("a.yaml", "# kept\na: 1\n---\nb: 2"),
            ("b.yaml", "---\nc: 3\n"),
            ("c.yaml", "d: 4\n"),
            ("empty.yaml", "\n"),
            ("kustomization.yaml", "resources: [a.yaml]\n"),
        ]
        .into_iter()
        .collect();
        assert_eq!(one_file(&sources), "# kept\na: 1\n---\nb: 2\n---\nc: 3\n---\nd: 4\n");
    }

    #[test]
    fn a_folder_lists_its_files() {
        let sources: Sources = [("a.yaml", "a: 1\n"), ("deep/b.yaml", "b: 2\n")].into_iter().collect();
        let files = folder(&sources);
        assert!(files[KUSTOMIZATION].contains("- a.yaml\n"), "{}", files[KUSTOMIZATION]);
        assert!(files[KUSTOMIZATION].contains("- deep/b.yaml\n"));
        assert_eq!(files["deep/b.yaml"], "b: 2\n");

        let own: Sources = [(KUSTOMIZATION, "resources: []\n")].into_iter().collect();
        assert_eq!(folder(&own)[KUSTOMIZATION], "resources: []\n", "a person's own stays");
    }

    #[test]
    fn a_zip_holds_the_folder_and_is_repeatable() {
        let sources = crate::sample::mesh();
        let bytes = zip(&sources).unwrap();
        assert_eq!(bytes, zip(&sources).unwrap());
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(archive.len(), sources.0.len() + 1);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut archive.by_name("reviews.yaml").unwrap(), &mut text).unwrap();
        assert_eq!(text, sources.0["reviews.yaml"]);
    }
}
