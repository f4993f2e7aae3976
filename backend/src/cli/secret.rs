//! Secrets of the command line: from a file or the environment. As arguments they work and are warned of, since whoever may list
//! the machine's processes reads them.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, bail};
use proxy::regular;

/// Arguments that are secrets, and where else each can be given.
const SECRETS: [(&str, &str); 2] = [
    ("--token", "--token-file, or the variable MESHWRIGHT_TOKEN (of `sidecar`: MESHWRIGHT_XDS_TOKEN)"),
    ("--xds-token", "--xds-token-file, or the variable MESHWRIGHT_XDS_TOKEN"),
];
/// Longest file of a secret, in bytes.
const LONGEST: u64 = 4096;

/// A secret that was given, or is in a file. Blanks around it are not of it: editors end files with a line feed.
///
/// # Errors
/// When the file cannot be read, or has nothing in it.
pub(super) fn read(given: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else { return Ok(given.map(str::to_owned)) };
    let reading = || format!("cannot read the secret in {}", file.display());
    let bytes = regular::read(file, LONGEST).with_context(reading)?;
    match String::from_utf8(bytes).with_context(reading)?.trim() {
        "" => bail!("{} is empty: it should contain a token", file.display()),
        secret => Ok(Some(secret.to_owned())),
    }
}

/// Warns of secrets among the arguments of this process.
pub(super) fn warn() {
    let arguments: Vec<_> = std::env::args_os().collect();
    for (name, instead) in shown(arguments.iter().map(AsRef::as_ref)) {
        tracing::warn!(
            "{name} as an argument can be read by everybody who may list processes (`ps`); better is {instead}"
        );
    }
}

/// The secrets that stand among some arguments.
fn shown<'a>(
    arguments: impl Iterator<Item = &'a OsStr> + Clone,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is = |argument: &OsStr, name: &str| {
        let rest = argument.as_encoded_bytes().strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
    };
    SECRETS.into_iter().filter(move |(name, _)| arguments.clone().any(|argument| is(argument, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_secret_without_what_is_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "  0123456789abcdef\n").unwrap();
        assert_eq!(read(None, Some(&file)).unwrap().as_deref(), Some("0123456789abcdef"));
        assert_eq!(read(Some("given"), None).unwrap().as_deref(), Some("given"));
        assert_eq!(read(None, None).unwrap(), None);
        std::fs::write(&file, "\n").unwrap();
        assert!(read(None, Some(&file)).unwrap_err().to_string().contains("is empty"));
        let missing = read(None, Some(&folder.path().join("missing"))).unwrap_err();
        assert!(missing.to_string().contains("missing"), "{missing}");
    }

    #[test]
    fn arguments_that_are_secrets_are_found() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["meshwright", "--token", "x"], &["--token"]),
            (&["meshwright", "serve", "--token=x", "--xds-token", "y"], &["--token", "--xds-token"]),
            (&["meshwright", "--token-file", "x"], &[]),
            (&["meshwright", "--xds-token-file=x"], &[]),
            (&["meshwright"], &[]),
        ];
        for (arguments, expected) in cases {
            let found = shown(arguments.iter().map(OsStr::new)).map(|(name, _)| name);
            assert_eq!(found.collect::<Vec<_>>(), expected, "{arguments:?}");
        }
    }
}
