//! `meshwright validate`: diagnostics of files and folders.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use mesh::sources::Unread;
use mesh::{Diagnostic, Mesh, Registry, Settings, Severity, Sources};
use serde::Serialize;

use super::snippet::{self, Style};
use crate::files;
use crate::settings::SettingsArgs;

/// Arguments of `validate`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Files and folders; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Files and folders that only define services (ServiceEntry, WorkloadEntry, Service). Without any service, references to
    /// services are not checked.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub registry: Vec<PathBuf>,
    /// The mesh's defaults.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Forms of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The exit code of what cannot be done as it was asked for.
const USAGE: u8 = 2;

/// Validates. Exits with 0 when there are no errors, 1 when there are, 2 when the files cannot be read.
///
/// # Errors
/// When standard output is closed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let read = files::read(&args.paths).and_then(|sources| Ok((sources, files::read(&args.registry)?)));
    let (found, registry) = match read {
        Ok(read) => read,
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::new(error));
            return Ok(ExitCode::from(USAGE));
        }
    };
    let files::Found { sources, unread } = found;
    let mut found = diagnostics(&sources, &registry.sources, &args.settings.of_mesh());
    found.splice(..0, unread.iter().chain(&registry.unread).map(Unread::diagnostic));
    let text = match args.format {
        Format::Text => text(&found, &sources),
        Format::Json => json(&found)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let failed = found.iter().any(|found| found.severity == Severity::Error);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What reading and validation say, by place.
fn diagnostics(sources: &Sources, registry: &Sources, settings: &Settings) -> Vec<Diagnostic> {
    let parsed = Mesh::parse(sources);
    // Services stand in the validated files, too; where both define one, the validated files count.
    let services =
        registry.0.iter().chain(&sources.0).map(|(path, text)| (path.clone(), text.clone())).collect();
    let registry = Registry::of(&Mesh::parse(&services).mesh, &mesh::Inventory::default(), settings);
    let mut found = parsed.diagnostics;
    found.extend(mesh::validate(&parsed.mesh, &registry, settings));
    found.sort_by(|a, b| (&a.place, &a.code).cmp(&(&b.place, &b.code)));
    found
}

fn text(found: &[Diagnostic], sources: &Sources) -> String {
    let style = Style::of_stdout();
    let mut out = String::new();
    for found in found {
        // Writing to a string cannot fail.
        let _ = snippet::write(&mut out, found, sources, style);
        out.push('\n');
    }
    let files = match sources.0.len() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    out + &match snippet::summary(found).as_str() {
        "" => format!("{files}: no problems found\n"),
        summary => format!("{files}: {summary}\n"),
    }
}

/// The output for programs: a contract.
#[derive(Debug, Serialize)]
struct Output<'d> {
    diagnostics: Vec<Line<'d>>,
}

/// One finding. What is not known is null.
#[derive(Debug, Serialize)]
struct Line<'d> {
    code: &'d str,
    severity: Severity,
    kind: Option<&'d str>,
    namespace: Option<&'d str>,
    name: Option<&'d str>,
    path: &'d str,
    file: Option<&'d str>,
    line: Option<usize>,
    column: Option<usize>,
    message: &'d str,
    corresponds_to: Vec<&'d str>,
}

impl<'d> From<&'d Diagnostic> for Line<'d> {
    fn from(found: &'d Diagnostic) -> Self {
        let (resource, place) = (found.resource.as_ref(), found.place.as_ref());
        Self {
            code: &found.code,
            severity: found.severity,
            kind: resource.map(|key| key.kind.as_str()),
            namespace: resource.map(|key| key.namespace.as_str()),
            name: resource.map(|key| key.name.as_str()),
            path: &found.path,
            file: place.map(|place| place.file.as_str()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            message: &found.message,
            corresponds_to: found.corresponds_to.iter().map(AsRef::as_ref).collect(),
        }
    }
}

fn json(found: &[Diagnostic]) -> serde_json::Result<String> {
    let output = Output { diagnostics: found.iter().map(Line::from).collect() };
    Ok(serde_json::to_string_pretty(&output)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: revews}}]
";

    #[test]
    fn references_are_checked_when_services_are_known() {
        let sources = Sources::single("a.yaml", ROUTE);
        assert_eq!(diagnostics(&sources, &Sources::default(), &Settings::default()), []);
        let found = diagnostics(&sources, &crate::sample::mesh(), &Settings::default());
        let codes: Vec<_> = found.iter().map(|found| found.code.as_ref()).collect();
        assert_eq!(codes, ["MW0201"]);
    }

    #[test]
    fn the_output_for_programs_is_a_contract() {
        let found =
            diagnostics(&Sources::single("a.yaml", ROUTE), &crate::sample::mesh(), &Settings::default());
        let json: serde_json::Value = serde_json::from_str(&json(&found).unwrap()).unwrap();
        let mut line = json["diagnostics"][0].clone();
        assert!(line["message"].take().as_str().unwrap().contains("revews"));
        let expected = serde_json::json!({
            "code": "MW0201",
            "severity": "error",
            "kind": "VirtualService",
            "namespace": "default",
            "name": "reviews",
            "path": "spec.http[0].route[0].destination.host",
            "file": "a.yaml",
            "line": 7,
            "column": 28,
            "message": null,
            "corresponds_to": ["IST0101"],
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn nothing_is_said_about_the_sample() {
        let found = diagnostics(&crate::sample::mesh(), &Sources::default(), &Settings::sample());
        assert_eq!(found, []);
        assert_eq!(text(&found, &crate::sample::mesh()), "6 files: no problems found\n");
    }
}
