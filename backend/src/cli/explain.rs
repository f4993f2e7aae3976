//! `meshwright explain`: where one request would go, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use mesh::explain::{BadRequest, ExplainRequest, Explanation, RouteRef, Status, explain_for};
use mesh::registry::Viewer;
use mesh::{Mesh, Registry, Source};

use super::source::{self, NoSource};
use super::validate::Format;
use crate::files;
use crate::settings::SettingsArgs;

/// Arguments of `explain`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Args {
    /// Files and folders of YAML.
    #[arg(long, value_name = "PATH", required = true, num_args = 1.., env = "MESHWRIGHT_MESH")]
    pub mesh: Vec<PathBuf>,
    /// The request comes from this workload: its name, or namespace/name.
    #[arg(long, value_name = "WORKLOAD", group = "source")]
    pub from: Option<String>,
    /// The request comes from a workload with these labels.
    #[arg(long, value_name = "K=V", group = "source", value_delimiter = ',', value_parser = label, requires = "namespace")]
    pub labels: Vec<(String, String)>,
    /// Namespace of the workload with `--labels`.
    #[arg(long, value_name = "NS", requires = "labels")]
    pub namespace: Option<String>,
    /// The request comes through this gateway: its name, or namespace/name.
    #[arg(long, value_name = "NAME", group = "source")]
    pub gateway: Option<String>,
    /// Method.
    #[arg(long, value_name = "M", default_value = "GET")]
    pub method: String,
    /// Host, with or without a port.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub host: String,
    /// Path, with the query.
    #[arg(long, value_name = "P", default_value = "/")]
    pub path: String,
    /// A header; may be given more than once.
    #[arg(short = 'H', long = "header", value_name = "K: V", value_parser = mesh::explain::header)]
    pub headers: Vec<(String, String)>,
    /// `http` or `https` [default: that of the port].
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<String>,
    /// Port that receives the request [default: by the host].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The mesh's defaults.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Files(#[from] files::Error),
    #[error(transparent)]
    NoSource(#[from] NoSource),
    #[error(transparent)]
    Limit(#[from] mesh::limits::Exceeded),
    #[error(transparent)]
    Request(#[from] BadRequest),
}

/// The exit code of what cannot be done as it was asked for.
const USAGE: u8 = 2;

/// Explains. Exits with 2 when the files cannot be read, have no such source, or what is asked can be no request.
///
/// # Errors
/// When standard output is closed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let explanation = match explain(args) {
        Ok(explanation) => explanation,
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::new(error));
            return Ok(ExitCode::from(USAGE));
        }
    };
    let text = match args.format {
        Format::Text => text(&explanation),
        Format::Json => serde_json::to_string_pretty(&explanation)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn explain(args: &Args) -> Result<Explanation, Error> {
    let settings = args.settings.of_mesh();
    let request = ExplainRequest {
        method: args.method.clone(),
        host: args.host.clone(),
        path: args.path.clone(),
        headers: args.headers.clone(),
        scheme: args.scheme.clone(),
        port: args.port,
    };
    request.check()?;
    let mesh = Mesh::parse(&files::read(&args.mesh)?.told()).mesh;
    let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
    mesh::plan::fits(&mesh, &registry).map_err(|(exceeded, _)| exceeded)?;
    Ok(explain_for(&mesh, &registry, &settings, &viewer(args, &registry)?, 1, &request))
}

/// Who sends the request.
fn viewer(args: &Args, registry: &Registry) -> Result<Viewer, NoSource> {
    if let Some(name) = &args.from {
        return Ok(registry.viewer(&source::workload(registry, name)?));
    }
    if let Some(name) = &args.gateway {
        return Ok(registry.viewer(&source::gateway(registry, name)?));
    }
    let namespace = args.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let labels: BTreeMap<String, String> = args.labels.iter().cloned().collect();
    // It needs no name: what it sees depends on its namespace and labels.
    let source = Source::Workload { namespace: namespace.clone(), name: String::new() };
    Ok(Viewer { source, namespace, labels })
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form k=v"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn text(explanation: &Explanation) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut out, explanation);
    out
}

fn write_text(out: &mut String, explanation: &Explanation) -> std::fmt::Result {
    let rule = |service: &str, route: &RouteRef| {
        let name = route.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        format!("rule {}{name} of {service}", route.index)
    };
    let mut by = match (&explanation.virtual_service, &explanation.route) {
        (Some(service), Some(route)) => format!(" by {}", rule(service, route)),
        _ => String::new(),
    };
    if let Some(root) = &explanation.delegated_by {
        let _ = write!(by, ", to which {} delegates", rule(&root.virtual_service, &root.route));
    }
    let what = match explanation.status {
        Status::Routed => "routed",
        Status::Direct => "answered by the proxy",
        Status::Redirect => "redirected",
        Status::NoRoute => "no route matches: 404",
        Status::NoHost => "unknown host",
    };
    match &explanation.certain {
        Some(certain) => {
            let status = if certain.status == 0 { "reset".to_owned() } else { certain.status.to_string() };
            writeln!(out, "{status} {}: {}", certain.flag, certain.reason)?;
            writeln!(out, "({what}{by})")?;
        }
        None => writeln!(out, "{what}{by}")?,
    }
    for target in &explanation.destinations {
        let subset = target.subset.as_ref().map_or_else(String::new, |subset| format!(" {subset}"));
        match explanation.certain {
            Some(_) => writeln!(out, "  would go to {}:{}{subset}", target.host, target.port)?,
            None => {
                writeln!(out, "  {:5.1} %  {}:{}{subset}", target.weight * 100.0, target.host, target.port)?
            }
        }
    }
    if let Some(timeout) = &explanation.timeout {
        let from = explanation.timeout_from.map(|from| format!(" ({})", from.words())).unwrap_or_default();
        writeln!(out, "  timeout {timeout}{from}")?;
    }
    if let Some(retries) = &explanation.retries {
        writeln!(out, "  {} retries on {}", retries.attempts, retries.retry_on)?;
    }
    if let Some(fault) = &explanation.fault {
        if let Some(delay) = &fault.delay {
            writeln!(out, "  fault: {} delay for {} %", delay.fixed_delay, delay.percentage)?;
        }
        if let Some(abort) = &fault.abort {
            writeln!(out, "  fault: abort with {} for {} %", abort.http_status, abort.percentage)?;
        }
    }
    for copy in explanation.mirror.iter().flatten() {
        writeln!(out, "  mirrored to {}:{} for {} %", copy.host, copy.port, copy.percentage)?;
    }
    writeln!(out, "why:")?;
    for step in &explanation.steps {
        let sign = if step.matched { "✓" } else { "·" };
        let root = step.delegated_by.as_ref();
        let root = root.map(|root| format!("{} rule {} → ", root.virtual_service, root.route.index));
        let root = root.unwrap_or_default();
        let rule = match (&step.virtual_service, &step.route) {
            (Some(service), Some(route)) => format!("{root}{service} rule {}: ", route.index),
            (Some(service), None) => format!("{service}: "),
            _ => String::new(),
        };
        writeln!(out, "  {sign} {rule}{}", step.reason)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    /// Runs it on the sample mesh.
    fn explained(arguments: &[&str]) -> Result<Value, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in crate::sample::mesh().0 {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mesh = ["explain", "--mesh", folder.path().to_str().unwrap()];
        let program =
            Program::try_parse_from(mesh.iter().chain(arguments)).map_err(|error| error.to_string())?;
        let explanation = explain(&program.args).map_err(|error| error.to_string())?;
        assert!(text(&explanation).contains("why:\n"));
        Ok(serde_json::to_value(explanation).unwrap())
    }

    #[test]
    fn a_workloads_request_is_split() {
        let found =
            explained(&["--from", "productpage-v1", "--host", "reviews:9080", "--path", "/reviews/0"])
                .unwrap();
        assert_eq!(found["status"], "routed");
        assert_eq!(found["virtual_service"], "default/reviews");
        assert_eq!(found["route"], json!({ "index": 0, "name": null }));
        let host = "reviews.default.svc.cluster.local";
        let shares: Vec<_> =
            found["destinations"].as_array().unwrap().iter().map(|to| &to["weight"]).collect();
        assert_eq!(
            found["destinations"][0],
            json!({ "host": host, "subset": "v1", "port": 9080, "weight": 0.9 })
        );
        assert_eq!(shares.iter().filter(|share| share.as_f64() > Some(0.0)).count(), 2);
        for field in ["timeout", "retries", "fault", "mirror", "steps"] {
            assert!(found.get(field).is_some(), "{field} is part of the contract");
        }
        assert_eq!(found["steps"].as_array().unwrap().last().unwrap()["matched"], true);
    }

    #[test]
    fn a_gateways_request_may_be_redirected_or_not_routed() {
        let ask = |path| {
            explained(&["--gateway", "ingress", "--host", "any.host", "--path", path]).unwrap()["status"]
                .clone()
        };
        assert_eq!(ask("/productpage"), "routed");
        assert_eq!(ask("/"), "redirect");
        assert_eq!(ask("/nothing"), "no_route");
    }

    #[test]
    fn a_source_may_be_described_by_its_labels() {
        let found = explained(&[
            "--labels",
            "app=reviews,version=v2",
            "--namespace",
            "default",
            "--host",
            "ratings",
            "-H",
            "end-user: jason",
        ]);
        assert_eq!(found.unwrap()["status"], "routed");
        let unknown =
            explained(&["--labels", "app=a", "--namespace", "default", "--host", "unheard.of"]).unwrap();
        assert_eq!(unknown["status"], "no_host");
    }

    #[test]
    fn what_is_asked_wrongly_is_told() {
        for (arguments, expected) in [
            (&["--from", "nobody", "--host", "a"][..], "the mesh has no workload `nobody`; it has"),
            (&["--host", "a"][..], "required arguments"),
            (&["--labels", "app=a", "--host", "a"][..], "--namespace"),
            (&["--from", "a", "--gateway", "b", "--host", "a"][..], "cannot be used with"),
            (&["--from", "productpage-v1", "--host", "a", "-H", "nothing"][..], "`nothing` is no header"),
            (&["--from", "productpage-v1", "--host", "a:99999"][..], "`99999` is no port"),
            (&["--from", "productpage-v1", "--host", "a", "--port", "99999"][..], "99999"),
            (&["--from", "productpage-v1", "--host", "a", "--method", "PO ST"][..], "`PO ST` is no method"),
            (&["--from", "productpage-v1", "--host", "a", "--path", "x"][..], "`x` is no path"),
        ] {
            let error = explained(arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_certain_503_is_the_headline() {
        let mesh = "
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec: {hosts: [a], http: [{name: to, delegate: {name: leaf}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf}
spec: {http: [{route: [{destination: {host: nowhere.com}}]}]}
";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
        let folder = folder.path().to_str().unwrap();
        let arguments =
            ["explain", "--mesh", folder, "--labels", "a=b", "--namespace", "default", "--host", "a"];
        let told = text(&explain(&Program::try_parse_from(arguments).unwrap().args).unwrap());
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "503 NC: there is no service nowhere.com:80");
        assert_eq!(
            lines[1],
            "(routed by rule 0 (to) of default/leaf, to which rule 0 (to) of default/root delegates)"
        );
        assert_eq!(lines[2], "  would go to nowhere.com:80");
        assert!(told.contains("✓ default/root rule 0 → default/leaf rule 0: "), "{told}");
    }
}
