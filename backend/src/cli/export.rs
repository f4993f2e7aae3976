//! `meshwright export`: the YAML of a revision, or of files, as one file, a folder or a zip.

use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use mesh::Sources;

use crate::store::{Salvage, Store, StoreError};
use crate::{export, files, sample, server};

/// Arguments of `export`. Without `--mesh` and `--data`, the sample mesh is exported.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Exports files and folders of YAML instead of a revision.
    #[arg(long, value_name = "PATH")]
    pub mesh: Vec<PathBuf>,
    /// Folder of the revision log.
    #[arg(long, value_name = "DIR", env = "MESHWRIGHT_DATA")]
    pub data: Option<PathBuf>,
    /// Revision [default: the newest].
    #[arg(long, value_name = "N", conflicts_with = "mesh")]
    pub revision: Option<u64>,
    /// File or folder to write to [default: standard output].
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// `yaml`: one file; `dir`: a folder with a kustomization; `zip`: that folder as a zip [default: by the name of the output].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One file, documents parted by `---`.
    Yaml,
    /// A folder with a kustomization, packed.
    Zip,
    /// A folder with a kustomization.
    Dir,
}

/// Why there is nothing to export.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Files could not be read.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no log in the folder.
    #[error("{0} has no revision log")]
    NoLog(PathBuf),
    /// Nothing of a damaged log is whole.
    #[error("{0} is damaged, and no revision in it is intact")]
    NothingSaved(PathBuf),
    /// The revision is not in the log.
    #[error("there is no revision {0}")]
    NoRevision(u64),
    /// A path of the mesh leads out of the folder that is written to.
    #[error("{0} is outside the output folder; export to one file instead")]
    Outside(String),
    /// A folder cannot go to standard output.
    #[error("the format `dir` needs --output")]
    NoFolder,
    /// It could not be packed.
    #[error("cannot create the zip file")]
    Zip(#[from] zip::result::ZipError),
    /// It could not be written.
    #[error("cannot write to {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Exports.
///
/// # Errors
/// When there is nothing to export, or it cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sources = sources(args)?;
    match format(args) {
        Format::Yaml => put(args.output.as_deref(), export::one_file(&sources).as_bytes())?,
        Format::Zip => put(args.output.as_deref(), &export::zip(&sources).map_err(Error::Zip)?)?,
        Format::Dir => put_folder(args.output.as_deref().ok_or(Error::NoFolder)?, &sources)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn sources(args: &Args) -> Result<Sources, Error> {
    match args.mesh.as_slice() {
        [] => revision(args),
        // A folder's files keep their paths within it.
        [folder] if folder.is_dir() => Ok(files::folder(folder)?.told()),
        paths => Ok(files::read(paths)?.told()),
    }
}

fn revision(args: &Args) -> Result<Sources, Error> {
    let folder = args.data.clone().or_else(server::sample_data_folder);
    let there = folder.as_deref().filter(|folder| Store::exists(folder));
    let Some(there) = there else {
        return match (&args.data, args.revision) {
            (Some(folder), _) => Err(Error::NoLog(folder.clone())),
            (None, Some(number)) => Err(Error::NoRevision(number)),
            // Nobody has run it yet: as it ships.
            (None, None) => Ok(sample::mesh()),
        };
    };
    let store = match Store::open(there) {
        Err(StoreError::Damaged { path, why, .. }) => return saved(there, args.revision, &path, &why),
        opened => opened?,
    };
    let found = match args.revision {
        Some(number) => store.get(number)?.ok_or(Error::NoRevision(number))?,
        None => store.head()?.ok_or_else(|| Error::NoLog(there.to_owned()))?,
    };
    Ok(Arc::unwrap_or_clone(found.sources))
}

/// A revision of a damaged log: the newest that is whole, unless another one is named.
fn saved(folder: &Path, number: Option<u64>, path: &Path, why: &str) -> Result<Sources, Error> {
    let salvage = Salvage::of(folder)?;
    let newest = salvage.numbers().next_back();
    let found = number.or(newest).and_then(|number| salvage.revision(number));
    let Some(found) = found else {
        return Err(number.map_or_else(|| Error::NothingSaved(path.to_owned()), Error::NoRevision));
    };
    tracing::warn!(
        log = %path.display(), why, revision = found.info.number, newest,
        "the log is damaged; this revision is intact"
    );
    Ok(Arc::unwrap_or_clone(found.sources))
}

fn format(args: &Args) -> Format {
    let output = args.output.as_deref();
    args.format.unwrap_or_else(|| match output.and_then(Path::extension).and_then(|name| name.to_str()) {
        Some("zip") => Format::Zip,
        _ if output.is_some_and(Path::is_dir) => Format::Dir,
        _ => Format::Yaml,
    })
}

fn put(output: Option<&Path>, bytes: &[u8]) -> Result<(), Error> {
    let failed =
        |source| Error::Write { path: output.unwrap_or(Path::new("standard output")).to_owned(), source };
    match output {
        Some(path) => std::fs::write(path, bytes).map_err(failed),
        None => io::stdout().write_all(bytes).map_err(failed),
    }
}

fn put_folder(root: &Path, sources: &Sources) -> Result<(), Error> {
    for (name, text) in export::folder(sources) {
        // A mesh's paths come from whoever edits it, and must not reach beyond the folder.
        if !Path::new(&name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Error::Outside(name));
        }
        let path = root.join(&name);
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        written.map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args { mesh: Vec::new(), data: None, revision: None, output: None, format: None }
    }

    #[test]
    fn the_output_decides_the_form() {
        let dir = tempfile::tempdir().unwrap();
        let with = |output: &str| format(&Args { output: Some(dir.path().join(output)), ..args() });
        assert_eq!(with("a.yaml"), Format::Yaml);
        assert_eq!(with("a.zip"), Format::Zip);
        assert_eq!(with(""), Format::Dir);
        assert_eq!(format(&args()), Format::Yaml);
    }

    #[test]
    fn a_folder_goes_out_as_it_came_in() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        put_folder(&from, &sample::mesh()).unwrap();
        let again = sources(&Args { mesh: vec![from], ..args() }).unwrap();
        assert_eq!(again.0["reviews.yaml"], sample::mesh().0["reviews.yaml"]);
        put_folder(&to, &again).unwrap();
        assert_eq!(files::folder(&to).unwrap().sources, again);
    }

    #[test]
    fn revisions_come_from_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let data = Some(dir.path().to_owned());
        let missing = sources(&Args { data: data.clone(), ..args() }).unwrap_err();
        assert!(matches!(missing, Error::NoLog(_)), "{missing}");
        assert!(!dir.path().join("revisions.redb").exists(), "looking makes no log");

        let store = Store::open(dir.path()).unwrap();
        let revision = |number, text: &str| crate::store::Revision {
            info: api::RevisionInfo {
                number,
                author: "ann".to_owned(),
                at: 0,
                summary: String::new(),
                edits: api::revision::Edits::default(),
                reverts: None,
            },
            inverse: Vec::new(),
            sources: Arc::new(Sources::single("a.yaml", text)),
        };
        store.append(&revision(1, "a: 1\n")).unwrap();
        store.append(&revision(2, "a: 2\n")).unwrap();
        drop(store);
        let text = |revision| {
            sources(&Args { data: data.clone(), revision, ..args() })
                .map(|sources| sources.0["a.yaml"].clone())
        };
        assert_eq!(text(None).unwrap(), "a: 2\n");
        assert_eq!(text(Some(1)).unwrap(), "a: 1\n");
        assert!(matches!(text(Some(3)), Err(Error::NoRevision(3))));
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../out.yaml", "/out.yaml", "a/../../out.yaml"] {
            let error = put_folder(&dir.path().join("in"), &Sources::single(name, "a: 1\n")).unwrap_err();
            assert!(matches!(error, Error::Outside(_)), "{error}");
        }
    }
}
