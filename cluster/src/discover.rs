//! What a server serves: its version, and Istio's kinds in which versions.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::core::ApiResource;

use crate::connect::Connection;
use crate::error::Error;
use crate::kind::{Kind, NETWORKING};

/// Versions of Istio's kinds, the newest first. They differ in name only; the newest is the one that lives longest.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];

/// What a server serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// The server's own version, such as `v1.36.3`.
    pub server: String,
    /// The versions of Istio's group that are known here, the newest first.
    pub istio: Vec<String>,
    /// Kinds, each with its newest version; those that are not there are not served.
    pub kinds: BTreeMap<Kind, String>,
}

/// Asks a server what it serves. A server without any of Istio's kinds is [`Error::NoCrds`].
pub async fn discover(connection: &Connection) -> Result<Served, Error> {
    let client = &connection.client;
    let (version, groups) = futures::join!(client.apiserver_version(), client.list_api_groups());
    // Who may not see the version, which is decoration, may see the rest.
    let groups = groups.map_err(|error| connection.explain(error))?;
    let server = version.map_or_else(|_| "unknown".to_owned(), |version| version.git_version);
    let served = |group: &str| -> BTreeSet<String> {
        let group = groups.groups.iter().find(|found| found.name == group);
        group
            .into_iter()
            .flat_map(|group| group.versions.iter().map(|version| version.version.clone()))
            .collect()
    };
    let there = served(NETWORKING);
    let istio: Vec<String> =
        VERSIONS.into_iter().filter(|version| there.contains(*version)).map(str::to_owned).collect();
    let lists = istio.iter().map(async |version| {
        let list = client.list_api_group_resources(&format!("{NETWORKING}/{version}")).await;
        list.map(|list| (version.clone(), list)).map_err(|error| connection.explain(error))
    });
    let mut kinds = BTreeMap::new();
    for list in join_all(lists).await {
        let (version, list) = list?;
        for kind in Kind::ISTIO.into_iter().filter(|kind| has(&list, *kind)) {
            kinds.entry(kind).or_insert_with(|| version.clone());
        }
    }
    if kinds.is_empty() {
        return Err(Error::NoCrds { at: Box::new(connection.endpoint().clone()) });
    }
    for kind in [Kind::Service, Kind::Pod, Kind::Namespace, Kind::Endpoints] {
        kinds.insert(kind, "v1".to_owned());
    }
    if served(Kind::EndpointSlice.group()).contains("v1") {
        kinds.insert(Kind::EndpointSlice, "v1".to_owned());
    }
    Ok(Served { server, istio, kinds })
}

fn has(list: &APIResourceList, kind: Kind) -> bool {
    list.resources.iter().any(|resource| resource.name == kind.plural())
}

impl Served {
    /// Whether endpoints come as slices.
    pub fn slices(&self) -> bool {
        self.kinds.contains_key(&Kind::EndpointSlice)
    }

    /// Whether lists may be asked for as watches: from 1.34 on that is on unless somebody turned it off.
    pub fn streams_lists(&self) -> bool {
        let minor =
            self.server.trim_start_matches('v').split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        minor.is_some_and(|minor| minor >= 34)
    }

    /// How a kind is asked for; none if it is not served.
    pub fn resource(&self, kind: Kind) -> Option<ApiResource> {
        let version = self.kinds.get(&kind)?;
        let group = kind.group();
        let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        Some(ApiResource {
            group: group.to_owned(),
            version: version.clone(),
            api_version,
            kind: kind.name().to_owned(),
            plural: kind.plural().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower::{BoxError, service_fn};

    use super::*;

    /// A server with versions of Istio's group, each with its resources.
    async fn served(
        istio: &'static [(&'static str, &'static [&'static str])],
        slices: bool,
    ) -> Result<Served, Error> {
        let service = service_fn(move |request: Request<Body>| async move {
            let group = |name: &str, versions: Vec<&str>| {
                let version = |version: &str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
                json!({ "name": name, "versions": versions.into_iter().map(version).collect::<Vec<_>>() })
            };
            let path = request.uri().path();
            let answer = match path {
                "/version" => {
                    json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" })
                }
                "/apis" => {
                    let mut groups = vec![];
                    if !istio.is_empty() {
                        groups.push(group(NETWORKING, istio.iter().map(|(version, _)| *version).collect()));
                    }
                    if slices {
                        groups.push(group("discovery.k8s.io", vec!["v1"]));
                    }
                    json!({ "kind": "APIGroupList", "groups": groups })
                }
                path => {
                    let version = path.rsplit('/').next().unwrap_or_default();
                    let (_, names) = istio.iter().find(|(name, _)| *name == version).unwrap();
                    let resource = |name: &&str| json!({ "name": name, "singularName": "", "namespaced": true, "kind": "K", "verbs": ["list"] });
                    let resources: Vec<Value> = names.iter().map(resource).collect();
                    json!({ "groupVersion": format!("{NETWORKING}/{version}"), "resources": resources })
                }
            };
            Ok::<_, BoxError>(Response::new(Body::from(serde_json::to_vec(&answer)?)))
        });
        discover(&Connection::over(kube::Client::new(service, "default"), Vec::new())).await
    }

    #[tokio::test]
    async fn each_kind_has_its_newest_version() {
        let found = served(
            &[
                ("v1alpha3", &["virtualservices", "sidecars", "virtualservices/status"]),
                ("v2", &["virtualservices"]),
                ("v1", &["virtualservices"]),
            ],
            true,
        )
        .await
        .unwrap();
        assert_eq!(found.server, "v1.36.3");
        assert_eq!(found.istio, ["v1", "v1alpha3"]);
        assert!(found.slices());
        let version = |kind| found.resource(kind).map(|resource| resource.api_version);
        assert_eq!(version(Kind::VirtualService).as_deref(), Some("networking.istio.io/v1"));
        assert_eq!(version(Kind::Sidecar).as_deref(), Some("networking.istio.io/v1alpha3"));
        assert_eq!(version(Kind::Gateway), None);
        assert_eq!(version(Kind::Pod).as_deref(), Some("v1"));
        assert!(!served(&[("v1", &["gateways"])], false).await.unwrap().slices());
    }

    #[tokio::test]
    async fn without_istios_kinds_they_are_offered() {
        let error = served(&[], true).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the cluster of the context `test` does not have Istio's kinds: install Istio, or their definitions alone with `meshwright \
             crds | kubectl --context test apply -f -`"
        );
    }
}
