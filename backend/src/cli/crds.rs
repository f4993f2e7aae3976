//! `meshwright crds`: the custom resource definitions of the kinds that Meshwright writes, for a cluster without Istio.
//!
//! The schemas say the types of the fields that a spec begins with and let everything else through: what is right below
//! them is said by validation, with better words than the API server has. A test holds them against the types of `mesh`.

use std::fmt::Write as _;
use std::process::ExitCode;

/// Arguments of `crds`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {}

/// Versions that are served; the first is stored. They differ in name only, so no conversion is needed.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];

/// One definition.
struct Definition {
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
    description: &'static str,
    /// Name, type and description of the spec's fields.
    fields: &'static [(&'static str, Type, &'static str)],
    required: &'static [&'static str],
    /// Name and path of the columns that `kubectl get` shows.
    columns: &'static [(&'static str, &'static str)],
}

/// Type of a field.
#[derive(Clone, Copy)]
enum Type {
    String,
    Integer,
    Strings,
    /// A list of objects.
    Objects,
    Object,
    /// String to string.
    Labels,
    /// String to integer.
    Numbers,
}

const DEFINITIONS: [Definition; 5] = [
    Definition {
        kind: "VirtualService",
        plural: "virtualservices",
        short: "vs",
        description: "Rules that govern how requests for hosts are routed.",
        fields: &[
            ("hosts", Type::Strings, "Hosts that the rules are for; none in a delegate."),
            ("gateways", Type::Strings, "Gateways that the rules apply to; mesh stands for the sidecars."),
            ("http", Type::Objects, "HTTP routes; the first that matches wins."),
            ("tls", Type::Objects, "Routes for TLS that is passed through."),
            ("tcp", Type::Objects, "Routes for TCP."),
            ("exportTo", Type::Strings, "Namespaces that see it."),
        ],
        required: &[],
        columns: &[("Gateways", ".spec.gateways"), ("Hosts", ".spec.hosts")],
    },
    Definition {
        kind: "DestinationRule",
        plural: "destinationrules",
        short: "dr",
        description: "Policies and subsets of a service.",
        fields: &[
            ("host", Type::String, "Host of the service."),
            ("trafficPolicy", Type::Object, "For all of its traffic."),
            ("subsets", Type::Objects, "Named versions, with policies of their own."),
            ("exportTo", Type::Strings, "Namespaces that see it."),
            ("workloadSelector", Type::Object, "Clients that it applies to."),
        ],
        required: &["host"],
        columns: &[("Host", ".spec.host")],
    },
    Definition {
        kind: "ServiceEntry",
        plural: "serviceentries",
        short: "se",
        description: "A service that is added to the registry.",
        fields: &[
            ("hosts", Type::Strings, "Its hosts; the first part may be a wildcard."),
            ("addresses", Type::Strings, "Virtual addresses."),
            ("ports", Type::Objects, "Its ports."),
            ("location", Type::String, "MESH_EXTERNAL or MESH_INTERNAL."),
            ("resolution", Type::String, "NONE, STATIC, DNS, DNS_ROUND_ROBIN or DYNAMIC_DNS."),
            ("endpoints", Type::Objects, "Its endpoints."),
            ("workloadSelector", Type::Object, "Selects WorkloadEntries and pods instead of endpoints."),
            ("exportTo", Type::Strings, "Namespaces that see it."),
            ("subjectAltNames", Type::Strings, "Names that its certificates may have."),
        ],
        required: &["hosts"],
        columns: &[
            ("Hosts", ".spec.hosts"),
            ("Location", ".spec.location"),
            ("Resolution", ".spec.resolution"),
        ],
    },
    Definition {
        kind: "Gateway",
        plural: "gateways",
        short: "gw",
        description: "A load balancer at the edge of the mesh.",
        fields: &[
            ("servers", Type::Objects, "Ports with their hosts."),
            ("selector", Type::Labels, "Labels of the workloads that run it."),
        ],
        required: &[],
        columns: &[],
    },
    Definition {
        kind: "WorkloadEntry",
        plural: "workloadentries",
        short: "we",
        description: "One instance of a service.",
        fields: &[
            ("address", Type::String, "IP address, DNS name, or unix:// and a path."),
            ("ports", Type::Numbers, "Ports by the names of the service's ports."),
            ("labels", Type::Labels, "Its labels."),
            ("network", Type::String, "Its network."),
            ("locality", Type::String, "Region, zone and subzone, parted by slashes."),
            ("weight", Type::Integer, "Its weight."),
            ("serviceAccount", Type::String, "Its identity."),
        ],
        required: &[],
        columns: &[("Address", ".spec.address")],
    },
];

/// Prints the definitions.
///
/// # Errors
/// When standard output is closed.
pub fn run(_args: &Args) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    std::io::stdout().write_all(yaml().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// All definitions, as YAML documents.
pub fn yaml() -> String {
    let mut yaml = String::new();
    for definition in &DEFINITIONS {
        if !yaml.is_empty() {
            yaml.push_str("---\n");
        }
        // Writing to a string cannot fail.
        let _ = definition.write(&mut yaml);
    }
    yaml
}

impl Definition {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { kind, plural, short, .. } = self;
        writeln!(out, "apiVersion: apiextensions.k8s.io/v1")?;
        writeln!(out, "kind: CustomResourceDefinition")?;
        writeln!(out, "metadata:")?;
        writeln!(out, "  name: {plural}.networking.istio.io")?;
        writeln!(out, "spec:")?;
        writeln!(out, "  group: networking.istio.io")?;
        writeln!(out, "  scope: Namespaced")?;
        writeln!(out, "  names:")?;
        writeln!(out, "    kind: {kind}")?;
        writeln!(out, "    listKind: {kind}List")?;
        writeln!(out, "    plural: {plural}")?;
        writeln!(out, "    singular: {}", kind.to_lowercase())?;
        writeln!(out, "    shortNames: [{short}]")?;
        writeln!(out, "    categories: [istio-io, networking-istio-io]")?;
        writeln!(out, "  versions:")?;
        VERSIONS.iter().try_for_each(|version| self.write_version(out, version))
    }

    fn write_version(&self, out: &mut String, version: &str) -> std::fmt::Result {
        writeln!(out, "  - name: {version}")?;
        writeln!(out, "    served: true")?;
        writeln!(out, "    storage: {}", version == VERSIONS[0])?;
        writeln!(out, "    subresources:\n      status: {{}}")?;
        writeln!(out, "    additionalPrinterColumns:")?;
        for (name, path) in self.columns {
            writeln!(out, "    - {{name: {name}, type: string, jsonPath: {path}}}")?;
        }
        writeln!(out, "    - {{name: Age, type: date, jsonPath: .metadata.creationTimestamp}}")?;
        writeln!(out, "    schema:\n      openAPIV3Schema:\n        type: object")?;
        writeln!(out, "        description: {}", self.description)?;
        writeln!(out, "        properties:\n          spec:\n            type: object")?;
        writeln!(out, "            x-kubernetes-preserve-unknown-fields: true")?;
        if !self.required.is_empty() {
            writeln!(out, "            required: [{}]", self.required.join(", "))?;
        }
        writeln!(out, "            properties:")?;
        for (name, kind, description) in self.fields {
            writeln!(out, "              {name}:")?;
            writeln!(out, "                description: \"{description}\"")?;
            for line in kind.schema() {
                writeln!(out, "                {line}")?;
            }
        }
        writeln!(out, "          status:\n            type: object")?;
        writeln!(out, "            x-kubernetes-preserve-unknown-fields: true")
    }
}

impl Type {
    fn schema(self) -> &'static [&'static str] {
        match self {
            Self::String => &["type: string"],
            Self::Integer => &["type: integer"],
            Self::Strings => &["type: array", "items: {type: string}"],
            Self::Objects => {
                &["type: array", "items: {type: object, x-kubernetes-preserve-unknown-fields: true}"]
            }
            Self::Object => &["type: object", "x-kubernetes-preserve-unknown-fields: true"],
            Self::Labels => &["type: object", "additionalProperties: {type: string}"],
            Self::Numbers => &["type: object", "additionalProperties: {type: integer}"],
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::resource::walk::Leaf;
    use mesh::{Mesh, Sources};

    use super::*;

    #[test]
    fn the_fields_are_those_of_the_types() {
        for definition in &DEFINITIONS {
            let mut text = format!(
                "apiVersion: networking.istio.io/v1\nkind: {}\nmetadata: {{name: a}}\nspec:\n",
                definition.kind
            );
            for (name, kind, _) in definition.fields {
                let value = match kind {
                    Type::String => "text",
                    Type::Integer => "1",
                    Type::Strings => "[text]",
                    Type::Objects => "[{}]",
                    Type::Object => "{}",
                    Type::Labels => "{a: text}",
                    Type::Numbers => "{a: 1}",
                };
                let _ = writeln!(text, "  {name}: {value}");
            }
            let parsed = Mesh::parse(&Sources::single("a.yaml", &text));
            assert_eq!(parsed.diagnostics, [], "{text}");
            for resource in parsed.mesh.resources() {
                resource.spec.walk(&mut |at, leaf| {
                    assert!(!matches!(leaf, Leaf::Unknown(_)), "{}: {at}", definition.kind)
                });
            }
            for required in definition.required {
                assert!(definition.fields.iter().any(|(name, ..)| name == required), "{required}");
            }
        }
    }
}
