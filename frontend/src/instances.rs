//! The instances of a service, each with its state, and the limits that are reached. Pure.

use api::{Trouble, TroubleKind};
use mesh::{Registry, Source};

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Address and port.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// Why it is not used, and by whom; empty when it is.
    pub troubles: Vec<String>,
}

/// The instances of a host, in the order of the files.
pub fn of(registry: &Registry, host: &str, troubles: &[Trouble]) -> Vec<Instance> {
    let ports = registry.any_service(host).map_or(&[][..], |service| &service.ports);
    let mut all: Vec<Instance> = Vec::new();
    for endpoint in ports.iter().flat_map(|port| &port.endpoints) {
        let name = format!("{}:{}", endpoint.address, endpoint.port);
        if all.iter().all(|known| known.name != name) {
            let own = troubles.iter().filter(|it| it.host == host && it.instance.as_ref() == Some(&name));
            let troubles = own.map(sentence).collect();
            all.push(Instance { name, version: endpoint.version().to_owned(), troubles });
        }
    }
    all
}

/// The limits of a host that are reached.
pub fn limits(host: &str, troubles: &[Trouble]) -> Vec<String> {
    troubles.iter().filter(|it| it.host == host && it.instance.is_none()).map(sentence).collect()
}

fn sentence(trouble: &Trouble) -> String {
    let who = match &trouble.source {
        Some(Source::Gateway { name, .. }) => format!("gateway {name}"),
        Some(Source::Workload { name, .. }) => name.clone(),
        None => String::new(),
    };
    let why = &trouble.why;
    let to = trouble.subset.as_ref().map(|subset| format!(" to {subset}")).unwrap_or_default();
    match trouble.kind {
        TroubleKind::Ejected => format!("ejected by {who}: {why}"),
        TroubleKind::Unhealthy => format!("unhealthy: {why}"),
        TroubleKind::Overflow => format!("{who}{to} has reached {why}: what is beyond is refused"),
    }
}

#[cfg(test)]
mod tests {
    use mesh::{Mesh, Settings, Sources};

    use super::*;

    fn trouble(kind: TroubleKind, instance: Option<&str>, why: &str) -> Trouble {
        let source = Source::Workload { namespace: "default".to_owned(), name: "page".to_owned() };
        Trouble {
            kind,
            source: (kind != TroubleKind::Unhealthy).then_some(source),
            host: "reviews.default.svc.cluster.local".to_owned(),
            subset: (kind == TroubleKind::Overflow).then(|| "v1".to_owned()),
            port: Some(80),
            instance: instance.map(str::to_owned),
            why: why.to_owned(),
            at: 0,
            until: None,
        }
    }

    #[test]
    fn each_instance_has_its_state() {
        let yaml = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: http-more, protocol: HTTP, targetPort: 80}]
  endpoints:
  - {address: 10.0.0.1, labels: {version: v1}}
  - {address: 10.0.0.2, labels: {version: v2}}
";
        let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
        let registry = Registry::of(&mesh, &Settings::default());
        let host = "reviews.default.svc.cluster.local";
        let troubles = [
            trouble(TroubleKind::Ejected, Some("10.0.0.2:80"), "errors in a row"),
            trouble(TroubleKind::Unhealthy, Some("10.0.0.2:80"), "it answered 503"),
            trouble(TroubleKind::Overflow, None, "maxConnections"),
        ];
        let seen: Vec<_> = of(&registry, host, &troubles)
            .into_iter()
            .map(|it| (it.name, it.version, it.troubles.join("; ")))
            .collect();
        let row =
            |name: &str, version: &str, state: &str| (name.to_owned(), version.to_owned(), state.to_owned());
        assert_eq!(
            seen,
            [
                row("10.0.0.1:80", "v1", ""),
                row("10.0.0.2:80", "v2", "ejected by page: errors in a row; unhealthy: it answered 503"),
            ]
        );
        assert_eq!(
            limits(host, &troubles),
            ["page to v1 has reached maxConnections: what is beyond is refused"]
        );
        assert!(limits("other", &troubles).is_empty() && of(&registry, "other", &troubles).is_empty());
    }
}
