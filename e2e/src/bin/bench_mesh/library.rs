//! What the model costs by itself: a mesh of 10,000 routes, from text to plans.

use std::time::Instant;

use mesh::{Mesh, Registry, Settings, Sources, validate};

use crate::figures::millis;

/// Routes in all.
const ROUTES: usize = 10_000;
/// Measured so often; the best counts, as it has least of what else the machine does.
const TIMES: usize = 3;

/// Prints it.
pub(crate) fn print() {
    for services in [1, 1000] {
        let sources = sources(services);
        let best = (0..TIMES).map(|_| once(&sources)).min_by(|a, b| a[3].total_cmp(&b[3]));
        if let Some([parsed, validated, compiled, all]) = best {
            println!(
                "{ROUTES} routes of {services} VirtualServices: parsed in {parsed:.0} ms, validated in {validated:.0}, \
                 compiled in {compiled:.0}; together {all:.0} ms"
            );
        }
    }
}

/// Milliseconds of each step, and of all.
fn once(sources: &Sources) -> [f64; 4] {
    let settings = Settings::default();
    let began = Instant::now();
    let mesh = Mesh::parse(sources).mesh;
    let parsed = millis(began.elapsed());
    let registry = Registry::of(&mesh, &settings);
    let found = validate(&mesh, &registry, &settings);
    let validated = millis(began.elapsed());
    let plans = mesh::plan::compile_all(&mesh, &registry, &settings, 1);
    let compiled = millis(began.elapsed());
    drop((found, plans));
    [parsed, validated - parsed, compiled - validated, compiled]
}

/// Services with a workload that asks, and all routes divided among their VirtualServices.
fn sources(services: usize) -> Sources {
    let mut sources = Sources::default();
    for service in 0..services {
        let rules: Vec<String> = (0..ROUTES / services)
            .map(|rule| {
                format!(
                    "  - match: [{{uri: {{prefix: /api/{rule}/}}, headers: {{tenant: {{exact: t{rule}}}}}}}]\n    \
                     route: [{{destination: {{host: s{service}.org, subset: v{}}}}}]\n",
                    rule % 2
                )
            })
            .collect();
        let text = format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: s{service}}}
spec:
  hosts: [s{service}.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 10.0.0.1, labels: {{app: s{service}, version: v0}}}}, {{address: 10.0.0.2, labels: {{app: s{service}, version: v1}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: s{service}}}
spec: {{host: s{service}.org, subsets: [{{name: v0, labels: {{version: v0}}}}, {{name: v1, labels: {{version: v1}}}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: s{service}}}
spec:
  hosts: [s{service}.org]
  http:
{}",
            rules.concat()
        );
        sources.0.insert(format!("s{service}.yaml"), text);
    }
    sources
}
