//! Laws of edits over generated meshes: what they set is there, nothing else changes, and they lead back.

use mesh::edit::{
    AbortSpec, DelaySpec, FaultSpec, FieldEdit, HeaderEquals, RetrySpec, RouteTarget, Share, apply,
    fault_expiries,
};
use mesh::{Edit, Kind, Mesh, ResourceKey, RouteKey, Sources};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One way to write a VirtualService of two routes: the layouts that people use.
fn virtual_service(name: &str, style: usize) -> String {
    match style % 4 {
        0 => format!(
            "# {name}\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: {name}\nspec:\n  hosts:\n  - {name}\n  http:\n  - match:\n    - headers:\n        end-user: {{exact: jason}} # him\n    route:\n    - destination: {{host: {name}, subset: v2}}\n  # all others\n  - route:\n    - destination:\n        host: {name}\n        subset: v1\n      weight: 90\n    - destination:\n        host: {name}\n        subset: v2 # new\n      weight: 10\n    custom: [1, 2] # kept\n"
        ),
        1 => format!(
            "apiVersion: networking.istio.io/v1beta1\nkind: VirtualService\nmetadata: {{name: {name}, labels: {{a: 'b'}}}}\nspec: {{hosts: [{name}], http: [{{timeout: 1s, route: [{{destination: {{host: {name}}}}}]}}, {{name: \"rest\", route: [{{destination: {{host: {name}, subset: v1}}, weight: 100}}]}}]}}"
        ),
        2 => format!(
            "apiVersion: networking.istio.io/v1\r\nkind: VirtualService\r\nmetadata:\r\n    name: {name}\r\n    annotations:\r\n        x: \"y\" # z\r\nspec:\r\n    hosts:\r\n      - {name}\r\n    http:\r\n      - fault:\r\n            delay: {{fixedDelay: 5s, percent: 10}}\r\n        route:\r\n          - destination:\r\n                host: {name}\r\n\r\n      # second\r\n      - route:\r\n          - destination:\r\n                host: {name}\r\n            weight: 100\r\n"
        ),
        _ => format!(
            "{{\"apiVersion\": \"networking.istio.io/v1\", \"kind\": \"VirtualService\", \"metadata\": {{\"name\": \"{name}\"}},\n \"spec\": {{\"hosts\": [\"{name}\"],\n  \"http\": [\n    {{\"route\": [{{\"destination\": {{\"host\": \"{name}\"}}}}]}},\n    {{\"route\": [{{\"destination\": {{\"host\": \"{name}\", \"subset\": \"v1\"}}}}]}}\n  ]}}}}\n"
        ),
    }
}

fn sources(styles: &[usize]) -> Sources {
    let mut stream = String::from("# A header.\n");
    for (at, style) in styles.iter().enumerate() {
        stream.push_str("---\n");
        stream.push_str(&virtual_service(&format!("s{at}"), *style));
        if !stream.ends_with('\n') && at + 1 < styles.len() {
            stream.push('\n');
        }
    }
    Sources::from_iter([
        ("all.yaml", stream),
        ("other.yaml", "# untouched\nkind: X\napiVersion: v1\n".to_owned()),
    ])
}

fn key(at: usize) -> ResourceKey {
    ResourceKey::new(Kind::VirtualService, "default", format!("s{at}"))
}

fn target(at: usize, index: usize) -> RouteTarget {
    RouteTarget::Route(RouteKey { namespace: "default".into(), name: format!("s{at}"), index })
}

fn edits() -> impl Strategy<Value = Edit> {
    let place = (0_usize..3, 0_usize..2);
    let share = |at: usize, subset: Option<&str>, weight| Share {
        host: format!("s{at}"),
        subset: subset.map(str::to_owned),
        port: None,
        weight,
    };
    let weights =
        (place.clone(), prop::collection::vec(0_u32..101, 1..4)).prop_map(move |((at, index), weights)| {
            let subsets = [Some("v1"), Some("v2"), None];
            let shares =
                weights.iter().zip(subsets).map(|(weight, subset)| share(at, subset, *weight)).collect();
            Edit::SetWeights { target: target(at, index), shares }
        });
    let delay = prop::option::of((0_u32..800, 0_u64..20_000)).prop_map(|delay| {
        delay.map(|(percent, millis)| DelaySpec { percent: f64::from(percent) / 8.0, millis })
    });
    let abort = prop::option::of((0_u32..101, 200_u16..600))
        .prop_map(|abort| abort.map(|(percent, status)| AbortSpec { percent: f64::from(percent), status }));
    let fault = prop::option::of((delay, abort).prop_map(|(delay, abort)| FaultSpec { delay, abort }));
    let only = prop::option::of(prop::sample::select(vec!["jason", "a b", "on"]));
    let faults = (place.clone(), only, fault, prop::option::of(1_i64..2_000_000_000)).prop_map(
        |((at, index), only, fault, expires_at)| Edit::InjectFault {
            target: target(at, index),
            only: only.map(|value| HeaderEquals { name: "end-user".into(), value: value.into() }),
            fault,
            expires_at,
        },
    );
    let timeouts = (place.clone(), prop::option::of(0_u64..100_000))
        .prop_map(|((at, index), millis)| Edit::SetTimeout { target: target(at, index), millis });
    let retries = (place, prop::option::of((0_u32..9, prop::option::of(1_u64..9000)))).prop_map(
        |((at, index), retries)| Edit::SetRetries {
            target: target(at, index),
            retries: retries.map(|(attempts, per_try_timeout_millis)| RetrySpec {
                attempts,
                per_try_timeout_millis,
                retry_on: Some("5xx".into()),
            }),
        },
    );
    let paths = prop::sample::select(vec![
        ("spec.hosts[0]", json!("*.foo")),
        ("spec.http[1].name", json!("yes")),
        ("metadata.labels.new", json!("1")),
        ("spec.gateways", json!(["mesh", "edge"])),
        ("spec.http[0].route[0]", json!({ "destination": { "host": "a, b" } })),
    ]);
    let fields = (0_usize..3, paths, any::<bool>()).prop_map(|(at, (path, value), set)| Edit::SetFields {
        key: key(at),
        fields: vec![FieldEdit { path: path.into(), value: set.then_some(value) }],
    });
    prop_oneof![3 => weights, 3 => faults, 1 => timeouts, 1 => retries, 1 => fields]
}

/// The VirtualService that an edit is about.
fn about(edit: &Edit) -> ResourceKey {
    match edit {
        Edit::SetWeights { target: RouteTarget::Route(key), .. }
        | Edit::InjectFault { target: RouteTarget::Route(key), .. }
        | Edit::SetTimeout { target: RouteTarget::Route(key), .. }
        | Edit::SetRetries { target: RouteTarget::Route(key), .. } => key.resource(),
        Edit::SetFields { key, .. } => key.clone(),
        _ => unreachable!("no other is generated"),
    }
}

fn value(mesh: &Mesh, key: &ResourceKey) -> Value {
    mesh.document(key).and_then(|document| document.value("")).cloned().unwrap_or_default()
}

/// A value without what edits of routes may name.
fn unnamed(mut value: Value) -> Value {
    if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove("meshwright.io/fault-expires");
    }
    if value.pointer("/metadata/annotations").is_some_and(|all| all == &json!({})) {
        value["metadata"].as_object_mut().map(|metadata| metadata.remove("annotations"));
    }
    let routes = value["spec"]["http"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let rest = |mut route: Value| {
        let map = route.as_object_mut()?;
        if map.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with("meshwright-fault-")) {
            return None;
        }
        for named in ["route", "fault", "timeout", "retries"] {
            map.remove(named);
        }
        Some(route)
    };
    value["spec"]["http"] = routes.into_iter().filter_map(rest).collect();
    value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_lead_there_and_back(
        styles in prop::collection::vec(0_usize..4, 3),
        edits in prop::collection::vec(edits(), 1..5),
    ) {
        let start = sources(&styles);
        let mut now = start.clone();
        let mut way_back = Vec::new();
        for edit in &edits {
            let before = Mesh::parse(&now).mesh;
            let applied = match apply(&now, std::slice::from_ref(edit)) {
                Ok(applied) => applied,
                // A field edit may have taken a route's place away.
                Err(error) => {
                    prop_assert!(!error.to_string().is_empty());
                    continue;
                }
            };
            let after = &applied.parsed.mesh;
            // What no edit names is byte for byte what it was.
            prop_assert_eq!(&applied.sources.0["other.yaml"], &now.0["other.yaml"]);
            for document in before.documents() {
                let Some(resource) = document.resource() else { continue };
                // Its DestinationRule may get a subset.
                if resource.key.name != about(edit).name {
                    // A document that ended its file without a line feed gets one when another is added behind it.
                    let same = after.document(&resource.key).map(|document| document.text().trim_end_matches('\n'));
                    prop_assert_eq!(same, Some(document.text().trim_end_matches('\n')));
                }
            }
            if !matches!(edit, Edit::SetFields { .. }) {
                prop_assert_eq!(unnamed(value(&before, &about(edit))), unnamed(value(after, &about(edit))));
            }
            // Comments that are not within what an edit names stay where they are.
            for comment in ["# him", "# all others", "# kept", "# second", "# z"] {
                let count = |sources: &Sources| sources.0["all.yaml"].matches(comment).count();
                prop_assert!(count(&applied.sources) >= count(&now), "{} in {}", comment, applied.sources.0["all.yaml"]);
            }
            // The same edit again changes nothing.
            if !matches!(edit, Edit::SetFields { .. } | Edit::InjectFault { .. }) {
                prop_assert_eq!(&apply(&applied.sources, std::slice::from_ref(edit)).map(|a| a.sources), &Ok(applied.sources.clone()));
            }
            for (route, _) in fault_expiries(after) {
                prop_assert!(after.route(&route).is_some_and(|(_, route)| route.fault.is_some()));
            }
            prop_assert_eq!(&apply(&applied.sources, &applied.inverse).map(|a| a.sources), &Ok(now.clone()));
            way_back.splice(0..0, applied.inverse);
            now = applied.sources;
        }
        prop_assert_eq!(apply(&now, &way_back).map(|a| a.sources), Ok(start));
    }

    #[test]
    fn no_text_is_too_wild(text in "[-a:*&#\\[\\]{}|>\"'.,!?%@ \n\t\r<~0-9\u{e9}]{0,60}") {
        let parsed = Mesh::parse(&Sources::single("wild.yaml", text.as_str()));
        for diagnostic in &parsed.diagnostics {
            prop_assert!(diagnostic.place.is_some());
        }
        let resource = format!("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: x\nspec:\n  http: {text}");
        Mesh::parse(&Sources::single("wild.yaml", resource));
    }
}
