//! The split of `reviews` between v1 and v2, and the designer that moves it.

use std::time::Duration;

use anyhow::{Result, ensure};
use api::request::PostRevision;
use api::state::{Target, TargetState};
use api::{Problem, Snapshot};
use http_body_util::Full;
use hyper::{Request, StatusCode};
use mesh::edit::{RouteTarget, Share};
use mesh::{Edit, Kind, ResourceKey, RouteKey};

use super::Loopback;
use crate::{Server, http, wait};

/// Where the API has the VirtualService.
pub const PATH: &str = "/apis/networking.istio.io/v1/namespaces/default/virtualservices/reviews";
/// Where the designer has it.
pub const FILE: &str = "default/virtualservice-reviews.yaml";
/// For the designer to catch up with its cluster: far longer than it takes.
const LONG: Duration = Duration::from_secs(30);

/// The VirtualService that gives so much to v1, and the rest to v2.
pub fn yaml(first: u32) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews, namespace: default}}
spec:
  hosts: [reviews]
  http:
  - name: split
    route:
    - {{destination: {{host: reviews, subset: v1}}, weight: {first}}}
    - {{destination: {{host: reviews, subset: v2}}, weight: {}}}
",
        100 - first
    )
}

/// The designer's edit that does the same.
pub fn edit(first: u32) -> Edit {
    let route = RouteKey { namespace: "default".to_owned(), name: "reviews".to_owned(), index: 0 };
    let share = |subset: &str, weight| Share {
        host: "reviews".to_owned(),
        subset: Some(subset.to_owned()),
        port: None,
        weight,
    };
    let shares = vec![share("v1", first), share("v2", 100 - first)];
    Edit::SetWeights { target: RouteTarget::Route(route), shares }
}

/// The edit that puts this text in the VirtualService's place.
pub fn replaced(yaml: String) -> Edit {
    let key = ResourceKey::new(Kind::VirtualService, "default", "reviews");
    Edit::ReplaceResource { key, yaml }
}

/// The designer of a cluster. It ends with the value.
pub struct Designer(Server);

impl Designer {
    /// Starts it.
    pub async fn start(cluster: &Loopback) -> Result<Self> {
        let kubeconfig = cluster.kubernetes.kubeconfig.to_string_lossy();
        Ok(Self(Server::start(&["--cluster", "--kubeconfig", &kubeconfig]).await?))
    }

    /// What its page shows.
    pub async fn state(&self) -> Result<Snapshot> {
        http::get_json(&self.0.address, "/api/v1/mesh").await
    }

    /// Makes an edit of a revision; the status, and the problem where it is refused.
    pub async fn edit(&self, base: u64, edit: Edit) -> Result<(StatusCode, Option<Problem>)> {
        let body = PostRevision { base, author: None, edits: vec![edit], resources: None };
        let request = Request::post("/api/v1/revisions")
            .header("host", &self.0.address)
            .header("content-type", "application/json")
            .body(Full::from(serde_json::to_vec(&body)?))?;
        let answer = http::send(&self.0.address, request).await?;
        let status = answer.status();
        let problem = if status.is_success() { None } else { Some(serde_json::from_slice(answer.body())?) };
        Ok((status, problem))
    }

    /// Moves the split; the revision that does.
    pub async fn split(&self, first: u32) -> Result<u64> {
        let base = self.state().await?.revision.number;
        let (status, problem) = self.edit(base, edit(first)).await?;
        ensure!(status == StatusCode::CREATED, "{status}: {problem:?}");
        Ok(base + 1)
    }

    /// Waits until it shows this weight of v1, and that the cluster has the revision.
    pub async fn shows(&self, first: u32) -> Result<Snapshot> {
        let weight = format!("weight: {first}\n");
        wait::until(&format!("{weight:?} in the cluster"), LONG, async || {
            let state = self.state().await?;
            let text = state.sources.0.get(FILE).map(String::as_str).unwrap_or_default();
            let there = text.contains(&weight) && applied(&state) == Some(state.revision.number);
            Ok(there.then_some(state))
        })
        .await
    }
}

/// The revision that the cluster has, as the page says it.
pub fn applied(state: &Snapshot) -> Option<u64> {
    state.targets.iter().find(|it| it.target == Target::Cluster).and_then(|it| match it.state {
        TargetState::Applied { revision, .. } => Some(revision),
        _ => None,
    })
}
