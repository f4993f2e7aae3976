//! Permissions and what is served, asked of a server that is made up.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower::{BoxError, service_fn};

use super::*;
use crate::permission::roles;

/// A rule: the namespace or all of them, API group, resources and verbs, as RBAC has them.
type Rule = (Option<&'static str>, &'static str, &'static [&'static str], &'static [&'static str]);

/// A server with rules.
#[derive(Clone, Default)]
struct Rbac {
    rules: Vec<Rule>,
    /// Whether it cannot list its rules.
    incomplete: bool,
    namespaces: Vec<String>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Rbac {
    fn connection(&self, namespaces: &[&str]) -> Connection {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect_bytes().await?;
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                server.asked.lock().unwrap().push(path.clone());
                let (code, answer) = server.answer(&path, &body);
                let body = Body::from(serde_json::to_vec(&answer)?);
                Ok::<_, BoxError>(Response::builder().status(code).body(body)?)
            }
        });
        let namespaces = namespaces.iter().map(|&name| name.to_owned()).collect();
        Connection::over(kube::Client::new(service, "default"), namespaces)
    }

    fn answer(&self, path: &str, body: &Value) -> (u16, Value) {
        let spec = &body["spec"];
        match path.rsplit('/').next().unwrap() {
            "selfsubjectreviews" => {
                (201, json!({ "metadata": {}, "status": { "userInfo": { "username": "viewer" } } }))
            }
            "selfsubjectaccessreviews" => {
                let asked = &spec["resourceAttributes"];
                let text = |name: &str| asked[name].as_str().unwrap_or_default();
                let namespace = asked["namespace"].as_str();
                let allowed = self.rules.iter().any(|(there, group, names, verbs)| {
                    let has = |list: &[&str], item: &str| list.contains(&"*") || list.contains(&item);
                    (there.is_none() || *there == namespace)
                        && has(&[group], text("group"))
                        && has(names, text("resource"))
                        && has(verbs, text("verb"))
                });
                (201, json!({ "metadata": {}, "spec": {}, "status": { "allowed": allowed } }))
            }
            "selfsubjectrulesreviews" => {
                let namespace = spec["namespace"].as_str();
                let rules = self.rules.iter().filter(|(there, ..)| there.is_none() || *there == namespace);
                let rule = |(_, group, names, verbs): &Rule| json!({ "apiGroups": [group], "resources": names, "verbs": verbs });
                let rules: Vec<Value> = if self.incomplete { Vec::new() } else { rules.map(rule).collect() };
                let status =
                    json!({ "incomplete": self.incomplete, "resourceRules": rules, "nonResourceRules": [] });
                (201, json!({ "metadata": {}, "spec": {}, "status": status }))
            }
            "namespaces" => {
                let items: Vec<Value> =
                    self.namespaces.iter().map(|name| json!({ "metadata": { "name": name } })).collect();
                (200, json!({ "metadata": { "remainingItemCount": 7 }, "items": items }))
            }
            _ => (404, json!({ "kind": "Status", "code": 404, "message": path })),
        }
    }

    fn questions(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "patch", "delete"];
const CORE: &[&str] = &["services", "pods", "namespaces", "endpoints"];

fn names(names: &[&str]) -> Scope {
    Scope::Namespaces(names.iter().map(|&name| name.to_owned()).collect())
}

fn viewer() -> Vec<Rule> {
    vec![
        (None, "", CORE, READ),
        (None, "discovery.k8s.io", &["endpointslices"], READ),
        (None, "networking.istio.io", &["*"], READ),
    ]
}

#[tokio::test]
async fn an_administrator_is_found_with_one_question() {
    let server = Rbac { rules: vec![(None, "*", &["*"], &["*"])], ..Rbac::default() };
    let found = access(&server.connection(&[])).await.unwrap();
    assert_eq!(found.user.as_deref(), Some("viewer"));
    assert!(Kind::ALL.into_iter().all(|kind| found.read(kind) == Scope::All));
    assert_eq!(found.may(Verb::Patch, Kind::VirtualService, "shop"), Ok(()));
    assert!(found.missing(true).is_empty() && found.writes());
    assert_eq!(server.questions(), 3);

    let found = access(&server.connection(&["shop"])).await.unwrap();
    assert_eq!(found.read(Kind::Pod), names(&["shop"]));
    assert_eq!(found.read(Kind::Namespace), Scope::All);
    assert!(found.may(Verb::Patch, Kind::VirtualService, "other").is_err());
    assert!(found.missing(true).is_empty());
}

#[tokio::test]
async fn a_viewer_sees_all_and_writes_nothing() {
    for incomplete in [false, true] {
        let server =
            Rbac { rules: viewer(), incomplete, namespaces: vec!["shop".to_owned()], ..Rbac::default() };
        let found = access(&server.connection(&[])).await.unwrap();
        assert!(Kind::ALL.into_iter().all(|kind| found.read(kind) == Scope::All));
        assert!(!found.writes());
        let denied = found.may(Verb::Patch, Kind::VirtualService, "shop").unwrap_err();
        assert_eq!(
            denied.to_string(),
            "`viewer` may not patch virtualservices.networking.istio.io in the namespace `shop`: ask an administrator for a Role that \
             grants it"
        );
        let missing = found.missing(true);
        assert_eq!(missing.len(), 18);
        let role = roles("meshwright", found.user.as_deref(), &missing);
        assert!(role.contains("verbs: [create, delete, patch]"), "{role}");
        assert!(!role.contains("pods"), "{role}");
        if !incomplete {
            assert!(server.questions() <= 3 + 22 + 3, "{}", server.questions());
        }
    }
}

#[tokio::test]
async fn an_editor_of_a_namespace_writes_there() {
    let mut rules = viewer();
    rules.push((Some("shop"), "networking.istio.io", &["virtualservices", "destinationrules"], WRITE));
    for incomplete in [false, true] {
        let namespaces = vec!["shop".to_owned(), "other".to_owned()];
        let server = Rbac { rules: rules.clone(), incomplete, namespaces, ..Rbac::default() };
        let found = access(&server.connection(&[])).await.unwrap();
        assert_eq!(found.scope(Verb::Patch, Kind::VirtualService), &names(&["shop"]));
        assert_eq!(found.may(Verb::Delete, Kind::DestinationRule, "shop"), Ok(()));
        assert!(found.may(Verb::Delete, Kind::DestinationRule, "other").is_err());
        assert!(found.may(Verb::Create, Kind::Gateway, "shop").is_err());
        assert_eq!(found.read(Kind::Gateway), Scope::All);
        assert_eq!(found.beyond, 7);
    }
}

#[tokio::test]
async fn who_sees_one_namespace_sees_that() {
    let rules: Vec<Rule> = vec![
        (Some("default"), "", &["services", "pods"], &["*"]),
        (Some("default"), "networking.istio.io", &["virtualservices"], &["list"]),
        (Some("shop"), "", &["services"], READ),
    ];
    for incomplete in [false, true] {
        let server = Rbac { rules: rules.clone(), incomplete, ..Rbac::default() };
        let found = access(&server.connection(&[])).await.unwrap();
        assert_eq!(found.read(Kind::Service), names(&["default"]));
        assert_eq!(found.read(Kind::VirtualService), Scope::None, "it may be listed and not watched");
        assert_eq!(found.read(Kind::Namespace), Scope::None);
        let found = access(&server.connection(&["shop", "default", "gone"])).await.unwrap();
        assert_eq!(found.read(Kind::Service), names(&["default", "shop"]));
        assert_eq!(found.read(Kind::Pod), names(&["default"]));
        let missing = found.missing(true);
        assert!(missing.contains(&Permission::of(Verb::List, Kind::Service, Some("gone"))));
        assert!(missing.contains(&Permission::of(Verb::List, Kind::Namespace, None)));
        assert!(!missing.contains(&Permission::of(Verb::List, Kind::Service, Some("shop"))));
    }
}

#[tokio::test]
async fn nobody_gets_an_answer_too() {
    let server = Rbac::default();
    let found = access(&server.connection(&[])).await.unwrap();
    assert!(Kind::ALL.into_iter().all(|kind| found.read(kind) == Scope::None));
    assert!(!found.writes());
    assert_eq!(found.missing(true).len(), 10 * 2 + 18);
    assert_eq!(server.questions(), 4, "what no rule mentions is not asked for");
}

#[tokio::test]
async fn questions_are_bounded_where_there_are_many_namespaces() {
    let namespaces: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
    let server = Rbac { rules: viewer(), incomplete: true, namespaces, ..Rbac::default() };
    let found = access(&server.connection(&[])).await.unwrap();
    assert_eq!(found.beyond, 7 + 101 - ASKED);
    assert!(server.questions() < 100 + 22 + 18 + 10 + ASKED * 18, "{}", server.questions());
}
