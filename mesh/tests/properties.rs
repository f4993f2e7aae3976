//! Laws of plans: whatever the resources say nothing panics, and what is explained is what is routed.

#![allow(clippy::unwrap_used)]

#[path = "support/data.rs"]
#[allow(dead_code)]
mod data;

use data::{World, gateway, workload};
use mesh::explain::{ExplainRequest, Status, explain};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_panics(
        host in "[a-z*./:~%]{0,12}",
        pattern in "[a-z()|.*+?{}\\[\\]^$/,0-9&~-]{0,14}",
        words in prop::collection::vec("[a-zA-Z0-9:@./_-]{0,10}", 8),
        numbers in prop::collection::vec(any::<i64>(), 8),
        share in any::<f64>().prop_filter("JSON has no other numbers", |it| it.is_finite()),
        path in "/?[a-z/?&=%.]{0,12}",
    ) {
        let word = |at: usize| words[at].clone();
        let number = |at: usize| numbers[at];
        let rule = json!({
            "name": word(0),
            "match": [
                {"uri": {"regex": pattern}, "port": number(0)},
                {"uri": {"prefix": word(1)}, "ignoreUriCase": true, "headers": {word(2): {"regex": pattern}}},
                {"queryParams": {word(3): {}}, "withoutHeaders": {word(4): {"exact": word(5)}}},
            ],
            "route": [
                {"destination": {"host": host, "subset": word(6), "port": {"number": number(1)}}, "weight": number(2)},
                {"destination": {"host": word(7)}, "weight": 1},
            ],
            "timeout": word(1),
            "retries": {"attempts": number(3), "perTryTimeout": word(2), "retryOn": word(3), "backoff": "25ms"},
            "fault": {"delay": {"percentage": {"value": share}, "fixedDelay": word(4)}, "abort": {"percent": number(4), "httpStatus": number(5)}},
            "rewrite": {"uri": word(5), "uriRegexRewrite": {"match": pattern, "rewrite": word(6)}},
            "mirrors": [{"destination": {"host": host}, "percentage": {"value": share}}],
            "headers": {"request": {"set": {word(7): word(0)}}},
        });
        let rest = [
            json!({"redirect": {"uri": word(1), "port": number(6), "redirectCode": number(7)}, "match": [{"uri": {"exact": word(2)}}]}),
            json!({"directResponse": {"status": number(0), "body": {"bytes": word(3)}}, "match": [{"method": {"regex": pattern}}]}),
            json!({"delegate": {"name": word(4)}}),
        ];
        let http: Vec<_> = std::iter::once(rule).chain(rest).collect();
        let documents = [
            json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "VirtualService", "metadata": {"name": "a"},
                "spec": {"hosts": [host, "*", word(0)], "gateways": ["mesh", "g", word(1)], "http": http, "exportTo": [word(2), "."]}}),
            json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "a"},
                "spec": {"host": host, "subsets": [{"name": word(6)}], "trafficPolicy": {"portLevelSettings": [{"port": {"number": number(1)}}]}}}),
            json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "g"},
                "spec": {"servers": [{"port": {"number": 80, "protocol": word(3), "name": "x"}, "hosts": [host, "*"]}, {"port": {"number": number(2)}}]}}),
            json!({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "s"},
                "spec": {"hosts": [host, word(7)], "location": "MESH_INTERNAL", "ports": [{"number": 80, "protocol": "HTTP"}, {"number": number(1)}],
                    "endpoints": [{"address": word(5), "weight": number(4), "ports": {"http": number(5)}}]}}),
        ];
        let yaml: Vec<String> = documents.iter().map(ToString::to_string).collect();
        let world = World::of(yaml.join("\n---\n"));
        for source in [workload("default", "s"), gateway("default", "g")] {
            let plan = world.plan(&source);
            prop_assert_eq!(&plan, &world.plan(&source));
            let request = ExplainRequest { host: host.clone(), path: path.clone(), ..ExplainRequest::default() };
            let explanation = explain(&world.mesh, &world.registry, &world.settings, &source, 1, &request);
            let matched = explanation.steps.iter().filter(|step| step.matched).count();
            match explanation.status {
                Status::Routed => {
                    let sum: f64 = explanation.destinations.iter().map(|it| it.weight).sum();
                    prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
                    prop_assert_eq!(matched, 1);
                }
                Status::Redirect | Status::Direct => prop_assert_eq!(matched, 1),
                Status::NoRoute | Status::NoHost => prop_assert_eq!(matched, 0),
            }
        }
    }
}
