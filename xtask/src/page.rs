//! The page for a first look, put together without Trunk, which takes longer to compile than all the rest of a first run.
//!
//! It is what `trunk build` makes of `index.html`, but for names that say what is in a file and hashes that guard it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::build::{self, DIST, Profile};
use crate::setup::{TARGET, Tools};
use crate::shell;
use crate::sync;

/// What the program and its glue are called.
const NAME: &str = "frontend";

/// Builds it into [`DIST`].
pub(crate) fn build(root: &Path, tools: &Tools) -> Result<()> {
    let profile = Profile::Quick.name();
    let mut cargo = build::cargo();
    cargo.args(["build", "--package", NAME, "--target", TARGET, "--profile", profile]);
    shell::run(tools.apply(&mut cargo)).context("compiling the page")?;
    let target = build::target(root);
    let staged = target.join("ui-quick");
    let program = target.join(TARGET).join(profile).join(format!("{NAME}.wasm"));
    // It takes some seconds, and a second start is to take none.
    if modified(&staged.join(format!("{NAME}_bg.wasm"))) < modified(&program) {
        let mut bindgen = Command::new("wasm-bindgen");
        bindgen.args(["--target", "web", "--no-typescript", "--out-name", NAME, "--out-dir"]).arg(&staged);
        shell::run(tools.apply(bindgen.arg(&program)))
            .context("making the page's program ready for the browser")?;
    }
    assemble(&root.join(NAME), &staged)?;
    let changed = sync::mirror(&staged, &root.join(DIST)).context("copying the page")?;
    eprintln!("built  the page: {DIST} ({changed} files changed)");
    Ok(())
}

/// When a file was written; `None`, which is before all times, where there is none.
fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

/// Copies what `index.html` marks for Trunk, and writes it with links to that.
fn assemble(folder: &Path, to: &Path) -> Result<()> {
    let index = fs::read_to_string(folder.join("index.html")).context("reading index.html")?;
    let mut page = String::new();
    for line in index.lines() {
        let (link, file) = link(line);
        page.push_str(&link);
        page.push('\n');
        let Some(file) = file.map(|file| folder.join(file)) else { continue };
        let copy = to.join(file.file_name().context("a file has a name")?);
        let copied = if file.is_dir() {
            sync::mirror(&file, &copy).map(drop)
        } else {
            fs::copy(&file, &copy).map(drop)
        };
        copied.with_context(|| format!("copying {}", file.display()))?;
    }
    fs::write(to.join("index.html"), page).context("writing index.html")
}

/// What stands in the page for a line of `index.html`, and the file that it wants beside the page.
fn link(line: &str) -> (String, Option<&str>) {
    if !line.contains(" data-trunk ") {
        return (line.to_owned(), None);
    }
    let file = attribute(line, "href").or_else(|| attribute(line, "src"));
    let name = file.and_then(|file| file.rsplit('/').next()).unwrap_or_default();
    let link = match attribute(line, "rel") {
        Some("css") => format!("<link rel=\"stylesheet\" href=\"/{name}\" />"),
        Some("rust") => format!(
            "<script type=\"module\">import init from '/{NAME}.js'; init({{ module_or_path: '/{NAME}_bg.wasm' }});</script>"
        ),
        // Files that the page asks for by their names.
        Some(_) => String::new(),
        None => format!("<script src=\"/{name}\"></script>"),
    };
    (link, file)
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_trunk_become_links() {
        #[track_caller]
        fn check(line: &str, expected: &str, file: Option<&str>) {
            assert_eq!(link(line), (expected.to_owned(), file), "{line}");
        }
        let plain = r#"<link rel="manifest" href="/manifest.webmanifest" />"#;
        check(plain, plain, None);
        check(
            r#"<link data-trunk rel="css" href="styles/base.css" />"#,
            r#"<link rel="stylesheet" href="/base.css" />"#,
            Some("styles/base.css"),
        );
        check(
            r#"<script data-trunk src="theme.js"></script>"#,
            r#"<script src="/theme.js"></script>"#,
            Some("theme.js"),
        );
        check(r#"<link data-trunk rel="copy-dir" href="../assets/icons" />"#, "", Some("../assets/icons"));
    }

    #[test]
    fn all_of_the_page_is_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(NAME);
        let to = std::env::temp_dir().join(format!("xtask-page-{}", std::process::id()));
        fs::create_dir_all(&to).unwrap();
        assemble(&folder, &to).unwrap();
        let page = fs::read_to_string(to.join("index.html")).unwrap();
        assert!(!page.contains("data-trunk") && page.contains("_bg.wasm"), "{page}");
        for line in page.lines() {
            if let Some(name) = attribute(line, "href").or_else(|| attribute(line, "src")) {
                assert!(to.join(name.trim_start_matches('/')).is_file(), "{name}");
            }
        }
        fs::remove_dir_all(to).unwrap();
    }
}
