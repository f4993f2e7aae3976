use kube::api::Preconditions;
use mesh::{Kind, ResourceKey};
use serde_json::json;

use super::*;

/// An entry as the server keeps it.
fn entry(manager: &str, operation: &str, fields: &Value) -> ManagedFieldsEntry {
    let entry = json!({"manager": manager, "operation": operation, "apiVersion": "networking.istio.io/v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields, "time": "2026-01-02T03:04:05Z"});
    serde_json::from_value(entry).unwrap()
}

fn routes() -> Value {
    json!({"f:spec": {"f:hosts": {}, "f:http": {}}})
}

fn object(metadata: &Value, managed: Vec<ManagedFieldsEntry>) -> Object {
    Object {
        key: ResourceKey::new(Kind::VirtualService, "shop", "reviews"),
        value: json!({"kind": "VirtualService", "metadata": metadata, "spec": {"http": []}}),
        uid: "u".to_owned(),
        resource_version: "1".to_owned(),
        managed,
    }
}

/// What one moved weight takes.
fn weight() -> Call {
    let path = "/spec/http/0/route/0/weight".to_owned();
    Call::Patch(vec![
        Operation::Test { path: path.clone(), value: json!(90) },
        Operation::Replace { path, value: json!(50) },
        Operation::Replace { path: write::VERSION.to_owned(), value: json!("1") },
    ])
}

fn check(metadata: &Value, managed: Vec<ManagedFieldsEntry>, next: NextWrite, sentence: &str) {
    let found = taken(&object(metadata, managed), &[], &weight());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].field.as_str(), found[0].next_write), ("spec.http", next), "{found:?}");
    assert_eq!(found[0].sentence, sentence);
}

#[test]
fn each_tool_is_known_by_what_it_writes() {
    use NextWrite::{Conflicts, Nothing, Overwrites, Steers, Unknown};
    let by = |manager: &str, operation: &str| vec![entry(manager, operation, &routes())];
    check(
        &json!({}),
        by("kubectl", "Apply"),
        Conflicts,
        "Takes `spec.http` from kubectl (server-side apply): its next apply with other values is refused with a conflict.",
    );
    let client_side = json!({"f:metadata": {"f:annotations": {".": {},
        "f:kubectl.kubernetes.io/last-applied-configuration": {}}}, "f:spec": {".": {}, "f:hosts": {}, "f:http": {}}});
    check(
        &json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}),
        vec![entry("kubectl-client-side-apply", "Update", &client_side)],
        Overwrites,
        "Takes `spec.http` from kubectl apply: its next apply overwrites this change without a word.",
    );
    check(
        &json!({}),
        by("kubectl-edit", "Update"),
        Nothing,
        "Takes `spec.http` from kubectl edit: it does not write by itself.",
    );
    let release = json!({"annotations": {"meta.helm.sh/release-name": "shop"}});
    check(
        &release,
        by("helm", "Update"),
        Overwrites,
        "Takes `spec.http` from Helm: its next upgrade overwrites this change without a word if the chart changes it as well.",
    );
    check(
        &release,
        by("helm", "Apply"),
        Conflicts,
        "Takes `spec.http` from Helm (server-side apply): its next apply with other values is refused with a conflict.",
    );
    let tracked = json!({"annotations": {"argocd.argoproj.io/tracking-id":
        "shop:networking.istio.io/VirtualService:shop/reviews"}});
    for operation in ["Update", "Apply"] {
        check(
            &tracked,
            by("argocd-controller", operation),
            Overwrites,
            "Argo CD application shop will undo this at its next sync.",
        );
    }
    check(
        &json!({"labels": {"app.kubernetes.io/instance": "shop"}}),
        by("argocd-controller", "Update"),
        Overwrites,
        "Argo CD application shop will undo this at its next sync.",
    );
    check(
        &json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
        by("kustomize-controller", "Apply"),
        Overwrites,
        "Flux (apps) will undo this at its next reconciliation.",
    );
    check(
        &json!({}),
        by("rollouts-controller", "Update"),
        Steers,
        "The weights are steered by Argo Rollouts: it will overwrite this.",
    );
    check(
        &json!({}),
        by("tuner", "Update"),
        Unknown,
        "Takes `spec.http` from tuner: whether it writes this again is not known.",
    );
}

#[test]
fn what_is_owned_is_what_is_taken() {
    // The same list of two owners, and what none of them wrote.
    let two = vec![
        entry("kubectl", "Apply", &routes()),
        entry("rollouts-controller", "Update", &json!({"f:spec": {"f:http": {}}})),
        entry("kiali", "Update", &json!({"f:metadata": {"f:labels": {".": {}, "f:team": {}}}})),
    ];
    check(
        &json!({}),
        two.clone(),
        NextWrite::Steers,
        "Takes `spec.http` from kubectl (server-side apply): its next apply with other values is refused with a conflict. \
         The weights are steered by Argo Rollouts: it will overwrite this.",
    );
    let add = |path: &str| Call::Patch(vec![Operation::Add { path: path.to_owned(), value: json!(1) }]);
    let fields = |managed: &[ManagedFieldsEntry], call: &Call| -> Vec<(String, usize)> {
        let all = taken(&object(&json!({}), managed.to_vec()), &[], call);
        all.into_iter().map(|it| (it.field, it.from.len())).collect()
    };
    assert_eq!(fields(&two, &add("/spec/gateways")), []);
    assert_eq!(fields(&two, &add("/metadata/labels/stage")), []);
    assert_eq!(fields(&two, &add("/metadata/labels/team")), [("metadata.labels.team".to_owned(), 1)]);
    // A map has fields of its own.
    let policy =
        [entry("kubectl", "Apply", &json!({"f:spec": {"f:trafficPolicy": {"f:tls": {"f:mode": {}}}}}))];
    assert_eq!(fields(&policy, &add("/spec/trafficPolicy/outlierDetection")), []);
    let mode = [("spec.trafficPolicy.tls.mode".to_owned(), 1)];
    assert_eq!(fields(&policy, &add("/spec/trafficPolicy/tls/mode")), mode);
    let remove = Call::Patch(vec![Operation::Remove { path: "/spec/trafficPolicy".to_owned() }]);
    assert_eq!(fields(&policy, &remove), [("spec.trafficPolicy".to_owned(), 1)]);
    assert_eq!(fields(&policy, &Call::Apply(json!({}))), []);

    // What this program took before is its former owner's, who is told of again.
    let own = object(&json!({}), vec![entry(MANAGER, "Update", &json!({"f:spec": {"f:http": {}}}))]);
    assert_eq!(taken(&own, &[], &weight()), []);
    assert_eq!(taken(&own, &two[..1], &weight())[0].from[0].manager, "kubectl");

    let status = ManagedFieldsEntry { subresource: Some("status".to_owned()), ..two[1].clone() };
    let gone = object(&json!({}), vec![two[0].clone(), status]);
    let gone = taken(&gone, &[], &Call::Delete(Preconditions::default()));
    assert_eq!(
        gone[0].sentence,
        "Deletes what kubectl (server-side apply) wrote: its next apply creates it again."
    );
    assert_eq!(gone[0].from.len(), 1);
}
