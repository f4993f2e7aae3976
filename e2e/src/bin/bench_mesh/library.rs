//! What the model costs by itself: a mesh of 10,000 routes, from text to plans.

use std::time::Instant;

use mesh::limits::Exceeded;
use mesh::{Analysis, Settings, Sources};

use crate::figures::millis;

/// Routes in all.
const ROUTES: usize = 10_000;
/// Measured so often; the best counts, as it has least of what else the machine does.
const TIMES: usize = 3;

/// Prints it.
pub(crate) fn print() {
    for services in [1, 1000] {
        let sources = sources(services);
        let best = (0..TIMES).filter_map(|_| once(&sources).ok()).min_by(|a, b| a[2].total_cmp(&b[2]));
        if let Some([understood, compiled, all, again, anew]) = best {
            println!(
                "{ROUTES} routes of {services} VirtualServices: read and validated in {understood:.0} ms, compiled in \
                 {compiled:.0}; together {all:.0} ms. With one of them changed: {again:.1} and {anew:.1} ms"
            );
        }
    }
}

/// Milliseconds of each step, of both, and of each after a change of one route.
fn once(sources: &Sources) -> Result<[f64; 5], Exceeded> {
    let mut changed = sources.clone();
    for text in changed.0.values_mut().take(1) {
        *text = text.replacen("tenant: {exact: t0}", "tenant: {exact: other}", 1);
    }
    let began = Instant::now();
    let before = Analysis::read(sources.clone(), &Settings::default());
    let understood = millis(began.elapsed());
    let plans = before.plans(1)?;
    let compiled = millis(began.elapsed());
    let began = Instant::now();
    let after = before.after(changed);
    let again = millis(began.elapsed());
    let next = after.plans_after(2, &before, &plans)?;
    let anew = millis(began.elapsed()) - again;
    drop(next);
    Ok([understood, compiled - understood, compiled, again, anew])
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
