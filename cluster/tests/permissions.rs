//! What a real API server says of what it serves and permits, and that what is asked of an administrator is enough.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use cluster::{Access, Connection, Error, Kind, Options, Scope, Verb, access, connect, discover};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;
use testkit::kubernetes::Kubernetes;

async fn connection(kubeconfig: PathBuf, namespaces: &[&str]) -> Connection {
    let namespaces = namespaces.iter().map(|&name| name.to_owned()).collect();
    connect(&Options { kubeconfig: Some(kubeconfig), namespaces, ..Options::default() }).await.unwrap()
}

async fn permitted(kubernetes: &Kubernetes, user: &str, namespaces: &[&str]) -> Access {
    access(&connection(kubernetes.user(user, None), namespaces).await).await.unwrap()
}

const MESH: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: shop, namespace: shop}
rules:
- {apiGroups: [networking.istio.io], resources: [virtualservices], verbs: [get, list, watch, patch]}
- {apiGroups: [''], resources: [services, pods], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: shop, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: shop}
subjects: [{kind: User, name: ada}]
";

const VIRTUAL_SERVICE: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}}]}]
";

#[tokio::test]
async fn everybody_sees_what_he_may() {
    let Some(parts) = Kubernetes::available() else { return };
    let mut kubernetes = Kubernetes::start(&parts).await;
    kubernetes.apply(MESH).await;
    let admin = connection(kubernetes.kubeconfig.clone(), &[]).await;
    let error = discover(&admin).await.unwrap_err();
    assert!(matches!(error, Error::NoCrds { .. }), "{error}");

    // Permissions hang on names, not on what is served.
    let all = |found: &Access| Kind::ALL.into_iter().all(|kind| found.read(kind) == Scope::All);
    let found = access(&admin).await.unwrap();
    assert!(all(&found) && found.missing(true).is_empty(), "{found:?}");
    assert_eq!(found.user.as_deref(), Some("admin"));

    let found = permitted(&kubernetes, "editor", &[]).await;
    assert!(all(&found) && found.missing(true).is_empty(), "{found:?}");
    assert_eq!(found.may(Verb::Delete, Kind::Sidecar, "anywhere"), Ok(()));

    let found = permitted(&kubernetes, "viewer", &[]).await;
    assert!(all(&found) && !found.writes(), "{found:?}");

    // In one namespace, by a certificate. He may not list namespaces, so that he has to name it.
    let shop = || Scope::Namespaces(["shop".to_owned()].into());
    let found = permitted(&kubernetes, "ada", &[]).await;
    assert_eq!(found.read(Kind::VirtualService), Scope::None);
    let found = permitted(&kubernetes, "ada", &["shop"]).await;
    assert_eq!((found.read(Kind::VirtualService), found.read(Kind::Pod)), (shop(), shop()));
    assert_eq!(found.read(Kind::DestinationRule), Scope::None);
    assert_eq!(found.may(Verb::Patch, Kind::VirtualService, "shop"), Ok(()));
    let denied = found.may(Verb::Delete, Kind::VirtualService, "shop").unwrap_err();
    kubernetes.apply(&denied.role()).await;
    let found = permitted(&kubernetes, "ada", &["shop"]).await;
    assert_eq!(found.may(Verb::Delete, Kind::VirtualService, "shop"), Ok(()));

    // Nobody may do anything, until an administrator applies what is printed for him.
    let found = permitted(&kubernetes, "nobody", &[]).await;
    assert!(Kind::ALL.into_iter().all(|kind| found.read(kind) == Scope::None) && !found.writes());
    let role = cluster::permission::roles("meshwright", found.user.as_deref(), &found.missing(true));
    kubernetes.apply(&role).await;
    let found = permitted(&kubernetes, "nobody", &[]).await;
    assert!(found.missing(true).is_empty(), "{found:?}");

    if kubernetes.apply_crds(&parts).await {
        let served = discover(&admin).await.unwrap();
        assert_eq!(served.kinds.get(&Kind::VirtualService).map(String::as_str), Some("v1"));
        assert!(Kind::ALL.into_iter().all(|kind| served.resource(kind).is_some()), "{served:?}");
        kubernetes.apply(VIRTUAL_SERVICE).await;
        refused(&kubernetes).await;
    }

    let wrong = std::fs::read_to_string(kubernetes.user("viewer", None)).unwrap();
    let file = kubernetes.folder().join("wrong.kubeconfig");
    std::fs::write(&file, wrong.replace("token: ", "token: x")).unwrap();
    let error = discover(&connection(file, &[]).await).await.unwrap_err().to_string();
    assert!(error.contains("does not accept the credentials of the user `viewer`"), "{error}");

    kubernetes.kill_api_server();
    let error = discover(&admin).await.unwrap_err().to_string();
    assert!(error.contains("cannot be reached: nothing listens there"), "{error}");
}

/// A refused write says which permission is missing, and the role beside it grants just that.
async fn refused(kubernetes: &Kubernetes) {
    let viewer = connection(kubernetes.user("viewer", None), &[]).await;
    let resource = discover(&viewer).await.unwrap().resource(Kind::VirtualService).unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(viewer.client.clone(), "shop", &resource);
    let patch = json!({ "metadata": { "annotations": { "seen": "yes" } } });
    let patch = async || api.patch("reviews", &PatchParams::default(), &Patch::Merge(&patch)).await;
    let error = viewer.explain(patch().await.unwrap_err());
    assert_eq!(
        error.to_string(),
        "`viewer` may not patch virtualservices.networking.istio.io in the namespace `shop`: ask an administrator for a Role that \
         grants it"
    );
    kubernetes.apply(&error.role().unwrap()).await;
    patch().await.unwrap();
}
