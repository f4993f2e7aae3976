//! The mesh of a real API server: what it has becomes the mesh, and what is changed is written there, no more and no less.

use std::path::PathBuf;

use ::cluster::Options;
use api::cluster::{Call, NextWrite, Preview};
use api::state::{Target, TargetState};
use api::{Delta, Event, Snapshot};
use http::{Method, StatusCode};
use mesh::edit::{RouteTarget, Share};
use mesh::{Edit, Kind, ResourceKey, RouteKey};
use meshwright::server::Config;
use meshwright::store::Store;
use serde_json::{Value, json};
use testkit::kubernetes::Kubernetes;

use crate::support::Running;

/// Where the API server has the VirtualService of reviews.
const ROUTES: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews";
const PREVIEW: &str = "/api/v1/cluster/preview";
const FILE: &str = "shop/virtualservice-reviews.yaml";

const SERVICES: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
---
apiVersion: v1
kind: Pod
metadata:
  name: reviews-v1-5d8f-a
  namespace: shop
  labels: {app: reviews, version: v1, pod-template-hash: 5d8f}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: reviews-v1-5d8f, uid: u, controller: true}]
spec: {nodeName: n1, containers: [{name: c, image: i}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-1, namespace: shop, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
ports: [{name: http, port: 9080}]
endpoints:
- addresses: [10.244.0.1]
  conditions: {ready: true}
  targetRef: {kind: Pod, name: reviews-v1-5d8f-a, namespace: shop}
"#;

const CONFIGURATION: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: istio-system}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}
"#;

const MESH: &str = r#"
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v2}, weight: 10}
"#;

/// A cluster with a mesh, and its designer.
struct Lab {
    cluster: Kubernetes,
    designer: Running,
}

impl Lab {
    async fn start() -> Option<Self> {
        let parts = Kubernetes::available()?;
        let cluster = Kubernetes::start(&parts).await;
        if !cluster.apply_crds(&parts).await {
            return None;
        }
        cluster.apply(SERVICES).await;
        cluster.apply(CONFIGURATION).await;
        cluster.apply_as("kubectl", false, MESH).await.unwrap();
        let designer = Running::start(config(&cluster)).await;
        Some(Self { cluster, designer })
    }

    async fn mesh(&self) -> Snapshot {
        self.designer.get("/api/v1/mesh").await.json()
    }

    /// Moves the split; the answer's status and text.
    async fn split(&self, weights: [u32; 2]) -> (StatusCode, String) {
        let base = self.mesh().await.revision.number;
        let answer = self.designer.edit(base, vec![Self::moved(weights)]).await;
        (answer.status, answer.text().to_owned())
    }

    /// The edit that moves the split.
    fn moved(weights: [u32; 2]) -> Edit {
        let share = |(subset, weight): (&str, u32)| Share {
            host: "reviews".to_owned(),
            subset: Some(subset.to_owned()),
            port: None,
            weight,
        };
        let route = RouteKey { namespace: "shop".to_owned(), name: "reviews".to_owned(), index: 0 };
        let shares = ["v1", "v2"].into_iter().zip(weights).map(share).collect();
        Edit::SetWeights { target: RouteTarget::Route(route), shares }
    }

    /// What it would write.
    async fn preview(&self, weights: [u32; 2]) -> Preview {
        let base = self.mesh().await.revision.number;
        let answer =
            self.designer.post(PREVIEW, &json!({"base": base, "edits": [Self::moved(weights)]})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// Waits until the newest revision is as wanted.
    async fn until(&self, mut wanted: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        let mut events = self.designer.events(None).await;
        let mut state: Option<Snapshot> = None;
        events
            .find(|Event { delta, .. }| {
                match (&mut state, delta) {
                    (state, Delta::Snapshot(snapshot)) => *state = Some(*snapshot),
                    (Some(state), delta) => state.apply(&delta),
                    (None, _) => {}
                }
                state.as_ref().filter(|state| wanted(state)).cloned()
            })
            .await
    }

    /// Waits until the cluster has the newest revision.
    async fn applied(&self) -> Snapshot {
        self.until(|state| applied(state) == Some(state.revision.number)).await
    }
}

fn config(cluster: &Kubernetes) -> Config {
    of_user(cluster.kubeconfig.clone())
}

fn of_user(kubeconfig: PathBuf) -> Config {
    let kubeconfig = Some(kubeconfig);
    Config { cluster: Some(Options { kubeconfig, ..Default::default() }), ..Config::default() }
}

/// The revision that the cluster says it has.
fn applied(state: &Snapshot) -> Option<u64> {
    state.targets.iter().find(|it| it.target == Target::Cluster).and_then(|it| match it.state {
        TargetState::Applied { revision, .. } => Some(revision),
        _ => None,
    })
}

/// When the cluster had it.
fn applied_at(state: &Snapshot) -> Option<i64> {
    state.targets.iter().find_map(|it| match it.state {
        TargetState::Applied { at, .. } => Some(at),
        _ => None,
    })
}

fn weights(object: &Value) -> Vec<i64> {
    let routes = object["spec"]["http"][0]["route"].as_array().unwrap();
    routes.iter().map(|it| it["weight"].as_i64().unwrap_or_default()).collect()
}

/// Who owns what of an object: manager and operation.
fn managers(object: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = object["metadata"]["managedFields"].as_array().unwrap();
    all.iter().map(|it| (text(&it["manager"]), text(&it["operation"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_is_the_mesh_and_gets_what_is_changed() {
    let Some(lab) = Lab::start().await else { return };
    let first = lab.mesh().await;
    assert!(first.sources.0[FILE].contains("weight: 90"), "{:?}", first.sources.0.keys());
    let service = &first.inventory.services[first.inventory.services.len() - 1];
    assert_eq!(
        (service.name.as_str(), service.endpoints["http"][0].workload.as_str()),
        ("reviews", "reviews-v1")
    );
    assert_eq!(first.inventory.workloads.last().unwrap().labels["version"], "v1");
    let info = first.cluster.as_ref().unwrap();
    assert!(info.version.starts_with("v1.") && info.read_only.is_empty(), "{info:?}");

    assert_eq!(first.settings.outbound_policy, mesh::settings::OutboundPolicy::RegistryOnly);

    // One weight: one patch, and the rest is as it was.
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    let state = lab.applied().await;
    let stages: Vec<_> = state.timeline.unwrap().milestones.iter().map(|it| it.stage).collect();
    use api::revision::Stage;
    assert_eq!(stages, [Stage::Received, Stage::Validated, Stage::Stored, Stage::Patched, Stage::Watched]);
    let object = lab.cluster.get(ROUTES).await;
    assert_eq!(weights(&object), [50, 50]);
    assert_eq!(object["metadata"]["generation"], 2);
    assert!(managers(&object).contains(&("meshwright".to_owned(), "Update".to_owned())));
    assert_eq!(lab.mesh().await.revision.number, 2, "its own write is no change of others");

    // A pod that becomes ready is no revision, and nothing that the cluster would have to be given.
    let more = SERVICES.replace("addresses: [10.244.0.1]", "addresses: [10.244.0.1, 10.244.0.2]");
    let before = applied_at(&lab.mesh().await);
    lab.cluster.apply(&more).await;
    let endpoints =
        |state: &Snapshot| state.inventory.services.last().map_or(0, |it| it.endpoints["http"].len());
    let state = lab.until(|state| endpoints(state) == 2).await;
    assert_eq!((state.revision.number, applied_at(&state)), (2, before));

    // Another field, by another program: a revision of its own, by its name.
    let label = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                 metadata: {name: reviews, namespace: shop, labels: {team: a}}\n";
    lab.cluster.apply_as("kiali", false, label).await.unwrap();
    let state = lab.until(|state| state.revision.number == 3).await;
    assert_eq!(state.revision.author, "kiali");
    assert!(state.sources.0[FILE].contains("team: a"));
    // The weights are taken back, the label stays.
    let answer = lab.designer.post("/api/v1/revisions/2/revert", &json!({"base": 3})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    lab.applied().await;
    let object = lab.cluster.get(ROUTES).await;
    assert_eq!((weights(&object), &object["metadata"]["labels"]["team"]), (vec![90, 10], &json!("a")));
    let (status, said) = lab.split([20, 80]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    let object = lab.cluster.get(ROUTES).await;
    assert_eq!((weights(&object), &object["metadata"]["labels"]["team"]), (vec![20, 80], &json!("a")));

    // It goes, and comes back by an undo.
    lab.cluster.delete(ROUTES).await;
    let gone = lab.until(|state| !state.sources.0.contains_key(FILE)).await;
    let number = gone.revision.number;
    let answer =
        lab.designer.post(&format!("/api/v1/revisions/{number}/revert"), &json!({"base": number})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    lab.applied().await;
    assert_eq!(weights(&lab.cluster.get(ROUTES).await), [20, 80]);
    let deleted = Edit::RemoveResource { key: ResourceKey::new(Kind::VirtualService, "shop", "reviews") };
    let base = lab.mesh().await.revision.number;
    let answer = lab.designer.edit(base, vec![deleted]).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    lab.applied().await;
    let (status, _) = lab.cluster.send(Method::GET, ROUTES, "application/json", String::new()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_said_at_its_line_and_nothing_is_changed() {
    let Some(lab) = Lab::start().await else { return };
    let before = lab.mesh().await;
    let check = async |from: &str, to: &str, path: &str, line: usize, said: &str| {
        let text = before.sources.0[FILE].replacen(from, to, 1);
        assert_ne!(text, before.sources.0[FILE]);
        let key = ResourceKey::new(Kind::VirtualService, "shop", "reviews");
        let answer = lab.designer.edit(1, vec![Edit::ReplaceResource { key, yaml: text }]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
        let problem = answer.problem();
        assert_eq!(problem.kind, "/problems/refused", "{problem:?}");
        let found = &problem.diagnostics[0];
        assert_eq!((found.code.as_ref(), found.path.as_str()), ("MW0026", path), "{found:?}");
        assert_eq!(found.place.as_ref().unwrap().line, line);
        assert!(found.message.contains(said), "{}", found.message);
    };
    // A field that no version has, and a rule of the CRD (CEL).
    check("  hosts:\n", "  bogus: 1\n  hosts:\n", "spec.bogus", 8, "unknown field").await;
    check(
        "    - destination:\n        host: reviews\n        subset: v1\n",
        "    - destination:\n        host: reviews\n        port: {number: 9080, bogus: 1}\n        subset: v1\n",
        "spec.http[0].route[0].destination.port.bogus",
        14,
        "unknown field",
    )
    .await;
    let after = lab.mesh().await;
    assert_eq!((after.revision.number, &after.sources), (1, &before.sources));
    assert_eq!(lab.cluster.get(ROUTES).await["metadata"]["generation"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_and_caught_up_with() {
    let Some(mut lab) = Lab::start().await else { return };
    lab.cluster.kill_api_server();
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    assert!(said.contains("cannot be asked, so nothing was changed"), "{said}");
    let away =
        |state: &Snapshot| state.targets.iter().any(|it| matches!(it.state, TargetState::Unreachable { .. }));
    lab.until(away).await;
    lab.cluster.start_api_server().await;
    lab.applied().await;
    // Changed while nothing was heard of it, and a watch that has to begin anew.
    let changed = MESH.replace("weight: 90", "weight: 70").replace("weight: 10", "weight: 30");
    lab.cluster.apply_as("kubectl", false, &changed).await.unwrap();
    let state = lab.until(|state| state.sources.0[FILE].contains("weight: 70")).await;
    assert_eq!(state.revision.author, "kubectl");
    let (status, said) = lab.split([60, 40]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    assert_eq!(weights(&lab.cluster.get(ROUTES).await), [60, 40]);

    // A server that answers and cannot do anything.
    lab.cluster.kill_etcd();
    lab.until(away).await;
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    lab.cluster.start_etcd().await;
    lab.applied().await;

    // The program is away, and the cluster goes on.
    let Lab { cluster, designer } = lab;
    let data = designer.stop().await;
    let changed = MESH.replace("weight: 90", "weight: 1").replace("weight: 10", "weight: 99");
    cluster.apply_as("kubectl", true, &changed).await.unwrap();
    let designer = Running::start_in(data, config(&cluster)).await;
    let lab = Lab { cluster, designer };
    let state = lab.until(|state| state.sources.0[FILE].contains("weight: 99")).await;
    assert_eq!((state.revision.number, state.revision.author.as_str()), (4, "kubectl"));
    lab.applied().await;
    assert_eq!(weights(&lab.cluster.get(ROUTES).await), [1, 99], "nothing is overwritten");
}

/// Managers that own `spec.http` of an object.
fn owners(object: &Value) -> Vec<String> {
    let all = object["metadata"]["managedFields"].as_array().unwrap();
    let own = all.iter().filter(|it| !it["fieldsV1"]["f:spec"]["f:http"].is_null());
    own.map(|it| it["manager"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_borrowed_is_given_back() {
    let Some(lab) = Lab::start().await else { return };
    let before = lab.cluster.get(ROUTES).await;
    assert_eq!(owners(&before), ["kubectl"]);
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    assert_eq!(owners(&lab.cluster.get(ROUTES).await), ["meshwright"]);
    // What the page says of the owner's next apply: it is refused.
    let refused = lab.cluster.apply_as("kubectl", false, MESH).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::CONFLICT);

    // Taken back: as if nobody had been there.
    let answer = lab.designer.post("/api/v1/revisions/2/revert", &json!({"base": 2})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    lab.applied().await;
    let after = lab.cluster.until(ROUTES, |it| owners(it) == ["kubectl"]).await;
    assert_eq!(after["metadata"]["managedFields"], before["metadata"]["managedFields"]);
    let changed = MESH.replace("weight: 90", "weight: 60").replace("weight: 10", "weight: 40");
    lab.cluster.apply_as("kubectl", false, &changed).await.unwrap();
    lab.until(|state| state.sources.0[FILE].contains("weight: 60")).await;

    // The owner brings the same values itself: nothing is held any more.
    let (status, said) = lab.split([30, 70]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    let same = MESH.replace("weight: 90", "weight: 30").replace("weight: 10", "weight: 70");
    lab.cluster.apply_as("kubectl", false, &same).await.unwrap();
    lab.cluster.until(ROUTES, |it| owners(it) == ["kubectl"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_cut_off_is_finished_at_the_next_start() {
    let Some(lab) = Lab::start().await else { return };
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    let Lab { cluster, designer } = lab;
    let data = designer.stop().await;
    // As it is when the program was killed after the revision was stored and before it was written.
    cluster.apply_as("kubectl", true, MESH).await.unwrap();
    Store::open(data.path()).unwrap().set_applied(1).unwrap();
    let designer = Running::start_in(data, config(&cluster)).await;
    let lab = Lab { cluster, designer };
    lab.cluster.until(ROUTES, |it| weights(it) == [50, 50]).await;
    assert_eq!(lab.applied().await.revision.number, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_be_written_is_told_before_and_comes_true() {
    let Some(lab) = Lab::start().await else { return };
    let before = lab.cluster.get(ROUTES).await;
    let preview = lab.preview([50, 50]).await;
    assert_eq!((preview.writes.len(), preview.last_from, &preview.refused), (1, 1, &Vec::new()));
    let write = &preview.writes[0];
    assert_eq!((write.call, write.belongs_to.as_ref()), (Call::Patch, None));
    let weight = "/spec/http/0/route/0/weight";
    assert_eq!(write.operations[0], json!({"op": "test", "path": weight, "value": 90}));
    assert_eq!(write.operations[1], json!({"op": "replace", "path": weight, "value": 50}));
    assert!(write.before.as_ref().unwrap().contains("weight: 90"));
    assert_eq!(write.after.as_ref().unwrap().matches("weight: 50").count(), 2);
    let told = &write.taken[0];
    assert_eq!(
        (write.taken.len(), told.field.as_str(), told.next_write),
        (1, "spec.http", NextWrite::Conflicts)
    );
    let from: Vec<_> =
        told.from.iter().map(|it| (it.manager.as_str(), it.tool.as_str(), it.applies)).collect();
    assert_eq!(from, [("kubectl", "kubectl_server_side", true)]);
    assert_eq!(
        told.sentence,
        "Takes `spec.http` from kubectl (server-side apply): its next apply with other values is refused with a conflict."
    );
    // Nothing has changed.
    assert_eq!(lab.cluster.get(ROUTES).await, before);
    assert_eq!(lab.mesh().await.revision.number, 1);
    let stale = json!({"base": 7, "edits": [Lab::moved([50, 50])]});
    let stale = lab.designer.post(PREVIEW, &stale).await;
    assert_eq!((stale.status, stale.problem().head), (StatusCode::CONFLICT, Some(1)));

    // It comes true: his next apply is refused. Who is told of at the next change is he as well.
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    let refused = lab.cluster.apply_as("kubectl", false, MESH).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.message.contains(".spec.http"), "{}", refused.message);
    let again = lab.preview([40, 60]).await;
    assert_eq!(again.writes[0].taken, write.taken);

    // What an application brings is told by its name, and its next sync undoes it: it forces.
    let tracked = MESH.replace(
        "metadata: {name: reviews, namespace: shop}",
        "metadata: {name: reviews, namespace: shop, annotations: {argocd.argoproj.io/tracking-id: 'shop:a/b:shop/reviews'}}",
    );
    lab.cluster.apply_as("argocd-controller", true, &tracked).await.unwrap();
    lab.until(|state| state.sources.0[FILE].contains("tracking-id")).await;
    let preview = lab.preview([50, 50]).await;
    let write = &preview.writes[0];
    assert_eq!(
        write.belongs_to.as_ref().map(|it| (it.tool.as_str(), it.name.as_str())),
        Some(("Argo CD", "shop"))
    );
    assert!(write.taken[0].sentence.contains("Argo CD application shop will undo this at its next sync."));
    assert_eq!(write.taken[0].next_write, NextWrite::Overwrites);
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    lab.cluster.apply_as("argocd-controller", true, &tracked).await.unwrap();
    assert_eq!(weights(&lab.cluster.get(ROUTES).await), [90, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_kubectl_apply_comes_true() {
    let Some(lab) = Lab::start().await else { return };
    // As `kubectl apply` writes without `--server-side`: a merge patch of what differs from the cluster.
    let applied = ROUTES.to_owned() + "?fieldManager=kubectl-client-side-apply";
    let apply = async |weights: [u32; 2]| {
        let route = |(subset, weight): (&str, u32)| json!({"destination": {"host": "reviews", "subset": subset}, "weight": weight});
        let route: Vec<_> = ["v1", "v2"].into_iter().zip(weights).map(route).collect();
        let body = json!({"spec": {"http": [{"route": route}]}}).to_string();
        lab.cluster.send(Method::PATCH, &applied, "application/merge-patch+json", body).await.0
    };
    assert_eq!(apply([80, 20]).await, StatusCode::OK);
    lab.until(|state| state.sources.0[FILE].contains("weight: 80")).await;
    let told = &lab.preview([50, 50]).await.writes[0].taken[0];
    assert_eq!(
        told.sentence,
        "Takes `spec.http` from kubectl apply: its next apply overwrites this change without a word."
    );
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    lab.applied().await;
    assert_eq!(apply([80, 20]).await, StatusCode::OK);
    assert_eq!(weights(&lab.cluster.get(ROUTES).await), [80, 20]);
}

#[tokio::test]
async fn a_mesh_of_no_cluster_writes_to_none() {
    let running = Running::sample().await;
    let answer = running.post(PREVIEW, &json!({"base": 1, "edits": []})).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.problem().detail.as_deref(), Some("this mesh is not a cluster's"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_permitted_narrows_the_view_and_ends_nothing() {
    let Some(lab) = Lab::start().await else { return };
    let Lab { cluster, designer } = lab;
    designer.stop().await;
    let designer = Running::start(of_user(cluster.user("viewer", None))).await;
    let lab = Lab { cluster, designer };
    let state = lab.mesh().await;
    let info = state.cluster.unwrap();
    assert!(!info.may_write && info.read_only.len() == 6, "{info:?}");
    assert!(info.read_only[0].contains("virtualservices.networking.istio.io"), "{info:?}");
    assert!(state.sources.0.contains_key(FILE));
    let (status, said) = lab.split([50, 50]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    assert!(said.contains("forbidden") && said.contains("MW0026"), "{said}");
    assert_eq!(lab.mesh().await.revision.number, 1);
}
