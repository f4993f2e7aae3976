//! What a cluster is found to serve and to permit, as `contexts --check` says it.

use std::fmt::Write as _;

use cluster::{Access, Connection, Kind, Options, Permission, Scope, Served, Verb};
use serde_json::{Value, json};

use super::table;

/// What was found.
pub(super) struct Report {
    connection: Connection,
    served: Served,
    access: Access,
    missing: Vec<Permission>,
}

impl Report {
    /// Connects and asks.
    pub(super) async fn of(options: &Options) -> Result<Self, cluster::Error> {
        let connection = cluster::connect(options).await?;
        let served = cluster::discover(&connection).await?;
        let access = cluster::access(&connection).await?;
        let missing = access.missing(served.slices());
        Ok(Self { connection, served, access, missing })
    }

    /// The kinds that are of use here.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let unused = if self.served.slices() { Kind::Endpoints } else { Kind::EndpointSlice };
        Kind::ALL.into_iter().filter(move |kind| *kind != unused)
    }

    /// YAML that grants what is missing.
    fn role(&self) -> String {
        cluster::permission::roles("meshwright", self.access.user.as_deref(), &self.missing)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { connection, served, access, .. } = self;
        let user = access.user.as_ref().or(connection.user.as_ref()).map_or("unknown", String::as_str);
        let head = [
            ("Context", format!("{} (cluster {})", connection.context, connection.cluster)),
            ("Server", format!("{}, Kubernetes {}", connection.server, served.server)),
            ("User", user.to_owned()),
            ("Namespace", self.namespaces()),
            ("Istio", format!("{} {}", cluster::kind::NETWORKING, served.istio.join(", "))),
        ];
        let head: Vec<Vec<String>> =
            head.into_iter().map(|(name, value)| vec![format!("{name}:"), value]).collect();
        let mut text = table(&head);
        let mut rows = vec![
            ["KIND", "VERSION", "LIST AND WATCH", "CREATE", "PATCH", "DELETE"].map(str::to_owned).to_vec(),
        ];
        for kind in self.kinds() {
            let mut row = vec![
                kind.to_string(),
                served.kinds.get(&kind).map_or("not served", String::as_str).to_owned(),
                scope(&access.read(kind)),
            ];
            if kind.is_istio() {
                row.extend(Verb::WRITE.map(|verb| scope(access.scope(verb, kind))));
            }
            rows.push(row);
        }
        let _ = write!(text, "\n{}", table(&rows));
        if access.beyond > 0 {
            let _ = writeln!(
                text,
                "\n{} more namespaces were not looked at: name those that you need with --namespace.",
                access.beyond
            );
        }
        if self.missing.is_empty() {
            text.push_str("\nAll that Meshwright uses is permitted.\n");
        } else {
            let _ = write!(
                text,
                "\n{} An administrator grants the rest with:\n\n{}",
                if access.writes() { "Not all is permitted." } else { "Nothing may be written here." },
                self.role()
            );
        }
        text
    }

    fn namespaces(&self) -> String {
        let Self { connection, access, .. } = self;
        if access.namespaces.is_empty() {
            return format!("{}, and all others that may be looked at", connection.namespace);
        }
        access.namespaces.iter().cloned().collect::<Vec<_>>().join(", ")
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let Self { connection, served, access, missing } = self;
        let one = |kind: Kind| {
            let mut found = json!({
                "kind": kind.name(),
                "version": served.kinds.get(&kind),
                "read": scope_json(&access.read(kind)),
            });
            if kind.is_istio() {
                for verb in Verb::WRITE {
                    found[verb.name()] = scope_json(access.scope(verb, kind));
                }
            }
            found
        };
        json!({
            "context": connection.context,
            "cluster": connection.cluster,
            "server": connection.server,
            "version": served.server,
            "user": access.user,
            "namespace": connection.namespace,
            "istio": served.istio,
            "kinds": self.kinds().map(one).collect::<Vec<_>>(),
            "missing": missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "role": (!missing.is_empty()).then(|| self.role()),
        })
    }
}

/// A scope in a table's cell.
fn scope(scope: &Scope) -> String {
    const SHOWN: usize = 3;
    match scope {
        Scope::All => "everywhere".to_owned(),
        Scope::None => "no".to_owned(),
        Scope::Namespaces(names) => {
            let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            if names.len() > SHOWN {
                let _ = write!(text, " and {} more", names.len() - SHOWN);
            }
            text
        }
    }
}

fn scope_json(scope: &Scope) -> Value {
    match scope {
        Scope::All => json!("all"),
        Scope::None => json!("none"),
        Scope::Namespaces(names) => json!(names),
    }
}
