//! What a fuzzer calls: everything that is done with what others send, one after the other, in plain functions. They panic where a
//! law does not hold.

use std::borrow::Cow;

use crate::explain::{ExplainRequest, explain};
use crate::plan::{Listener, Plan, compile::bytes, compile_all};
use crate::route::{Decision, Draws, MILLION, Request, route};
use crate::{Edit, Mesh, Registry, Settings, Source, Sources, diff, edit, export, validate};

/// Listeners and virtual hosts of a plan that requests are sent to.
const MOST: usize = 8;

/// What the plans of a made-up mesh may take: with the limit for people's, a thousand million bytes, few meshes would be tried.
const PLAN_BYTES: u64 = 16 << 20;

/// From the text of a file to the decisions on requests: read, told what is wrong with it, compiled, routed, explained, written out,
/// and mended where that is offered.
pub fn mesh(text: &str) {
    let settings = Settings::default();
    let sources = Sources::single("mesh.yaml", text);
    let parsed = Mesh::parse(&sources);
    let again = Mesh::parse_after(&sources, &parsed.mesh);
    assert_eq!(parsed.diagnostics, again.diagnostics, "reading again says the same");
    let registry = Registry::of(&parsed.mesh, &crate::Inventory::default(), &settings);
    let found = validate(&parsed.mesh, &registry, &settings);
    if bytes(&parsed.mesh, &registry).0 <= PLAN_BYTES {
        for plan in compile_all(&parsed.mesh, &registry, &settings, 1).iter().take(MOST) {
            requests(plan);
        }
        let request = ExplainRequest { host: "reviews".to_owned(), ..ExplainRequest::default() };
        for source in registry.sources().chain([Source::named("workload", "nobody")]).take(MOST) {
            drop(explain(&parsed.mesh, &registry, &settings, &source, 1, &request));
        }
    }
    drop(export::to_single(&sources));
    drop(diff::unified(&diff::sources(&Sources::default(), &sources)));
    let fixes = parsed.diagnostics.into_iter().chain(found).filter_map(|found| found.fix);
    for fix in fixes.take(MOST) {
        edits(&sources, &[fix.edit]);
    }
}

/// Edits on a text: made or refused, and when they are made taken back byte for byte.
pub fn edits(sources: &Sources, wanted: &[Edit]) {
    let Ok(applied) = edit::apply(sources, wanted) else { return };
    let fresh = Mesh::parse(&applied.sources);
    assert_eq!(applied.parsed.diagnostics, fresh.diagnostics, "what edits read is what is read afresh");
    // The way back may be longer than what a person may ask for.
    if edit::fits(&applied.inverse).is_ok() {
        let back = edit::apply(&applied.sources, &applied.inverse);
        assert_eq!(back.map(|back| back.sources).as_ref(), Ok(sources), "the inverse leads back");
    }
}

fn requests(plan: &Plan) {
    for listener in plan.listeners.iter().take(MOST) {
        let hosts = listener.hosts.list.iter().take(MOST).flat_map(|host| &host.domains);
        for authority in hosts.map(String::as_str).chain(["nobody", "", "*", "a:b:c"]) {
            for path in ["/", "", "/a/../b?x=1&x#y", "*"] {
                decided(listener, &Asked { authority, path });
            }
        }
    }
}

fn decided(listener: &Listener, request: &Asked<'_>) {
    for draw in [0, 1, MILLION / 2, u64::MAX] {
        let decision = route(listener, request, Draws { weight: draw, delay: draw, abort: draw });
        if let Decision::Forward(_, forward, destination) = decision {
            assert!(forward.destinations.contains(destination), "a destination is one of the route's");
        }
    }
}

struct Asked<'a> {
    authority: &'a str,
    path: &'a str,
}

impl Request for Asked<'_> {
    fn method(&self) -> &str {
        "GET"
    }

    fn scheme(&self) -> &str {
        "http"
    }

    fn authority(&self) -> &str {
        self.authority
    }

    fn path(&self) -> &str {
        self.path
    }

    fn header<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, str>> {
        (name == "end-user").then_some(Cow::Borrowed("jason")).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ResourceKey;
    use crate::edit::FieldEdit;
    use crate::key::Kind;

    const TEXT: &str = "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, labels: {app: reviews, version: v1}}]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews, *.foo.com]
  http:
  - match: {uri: {regex: '/(a|b)+'}}
    fault: {abort: {percent: 50, httpStatus: 500}}
    route: [{destination: {host: reviews}}]
  - route: [{destination: {host: reviews, subset: v9}}]
";

    #[test]
    fn they_go_all_the_way() {
        for text in [TEXT, "", "a: *b", "- ...\n", "\u{feff}kind: x\n...\n---\n", "a: &a [*a]"] {
            mesh(text);
        }
        let key = ResourceKey::new(Kind::VirtualService, "default", "reviews");
        let fields = vec![FieldEdit { path: "spec.http[0].timeout".to_owned(), value: Some(json!("3s")) }];
        let remove = Edit::RemoveResource { key: key.clone() };
        edits(&Sources::single("a.yaml", TEXT), &[Edit::SetFields { key, fields }, remove]);
    }
}
