//! `meshwright contexts`: the clusters that can be chosen, and whether one of them can be worked with.

mod report;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use cluster::{Context, Options};
use serde_json::json;

use self::report::Report;
use super::cluster::ContextArgs;
use super::validate::Format;

/// Arguments of `contexts`.
#[derive(Debug, Clone, Args)]
pub struct ContextsArgs {
    /// Which cluster.
    #[command(flatten)]
    pub context: ContextArgs,
    /// Connects to the chosen context and says what it serves, what may be read and written there, and what is missing.
    #[arg(long)]
    pub check: bool,
    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Lists or checks. Exits with 1 when the cluster cannot be worked with at all.
///
/// # Errors
/// When there is no kubeconfig, or the cluster cannot be asked.
pub fn run(args: &ContextsArgs) -> anyhow::Result<ExitCode> {
    let options = args.context.options();
    let text = if args.check {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let report = runtime.block_on(Report::of(&options))?;
        match args.format {
            Format::Text => report.text(),
            Format::Json => serde_json::to_string_pretty(&report.json())? + "\n",
        }
    } else {
        let contexts = cluster::contexts(&options)?;
        match args.format {
            Format::Text => list(&contexts),
            Format::Json => serde_json::to_string_pretty(&json(&contexts))? + "\n",
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Checks the cluster that `serve` is to have its mesh from, and says what was found.
///
/// # Errors
/// When it cannot be asked.
pub async fn check(options: &Options) -> anyhow::Result<String> {
    Ok(Report::of(options).await?.text())
}

fn list(contexts: &[Context]) -> String {
    let mut rows = vec![["", "NAME", "CLUSTER", "SERVER", "USER", "NAMESPACE"].map(str::to_owned).to_vec()];
    rows.extend(contexts.iter().map(|context| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            if context.current { "*" } else { "" }.to_owned(),
            context.name.clone(),
            context.cluster.clone(),
            or_dash(&context.server),
            or_dash(&context.user),
            context.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        ]
    }));
    table(&rows)
}

fn json(contexts: &[Context]) -> serde_json::Value {
    let one = |context: &Context| {
        json!({
            "name": context.name,
            "cluster": context.cluster,
            "server": context.server,
            "user": context.user,
            "namespace": context.namespace.as_deref().unwrap_or("default"),
            "current": context.current,
        })
    };
    json!({ "contexts": contexts.iter().map(one).collect::<Vec<_>>() })
}

/// Rows with their columns aligned.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_a_table_with_the_current_one_marked() {
        let context = |name: &str, current| Context {
            name: name.to_owned(),
            cluster: "kind".to_owned(),
            server: (name == "a").then(|| "https://127.0.0.1:6443".to_owned()),
            user: None,
            namespace: (name == "a").then(|| "shop".to_owned()),
            current,
        };
        assert_eq!(
            list(&[context("a", false), context("production", true)]),
            "   NAME        CLUSTER  SERVER                  USER  NAMESPACE\n   \
             a           kind     https://127.0.0.1:6443  -     shop\n\
             *  production  kind     -                       -     default\n"
        );
    }
}
