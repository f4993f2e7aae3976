//! Work grows with the size of a mesh, not with its square: twice as many routes or hosts take about twice as long.
//!
//! With `--release -- --nocapture` the figures for 10,000 routes and 20,000 hosts are printed, each of which is under a second.

#![expect(clippy::disallowed_methods, reason = "a test that takes the time")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mesh::{Mesh, Registry, Settings, Sources, validate};

const HEAD: &str = "---\napiVersion: networking.istio.io/v1\nkind: ";

fn entry(out: &mut String, host: &str, name: &str, port: u16) {
    let _ = write!(
        out,
        "{HEAD}ServiceEntry\nmetadata: {{name: {name}}}\nspec: {{hosts: [{host}], resolution: STATIC, ports: [{{number: {port}, name: http, protocol: HTTP}}], endpoints: [{{address: 10.0.0.1}}]}}\n"
    );
}

/// One VirtualService with so many rules, each by a condition of its own kind.
fn routes(count: usize) -> String {
    let mut out = String::new();
    entry(&mut out, "a.com", "a", 80);
    let _ = write!(out, "{HEAD}VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [a.com]\n  http:\n");
    for n in 0..count {
        let condition = match n % 4 {
            0 => format!("uri: {{prefix: /api/{n}/}}"),
            1 => format!("uri: {{regex: '/v[12]/{n}/.*'}}"),
            2 => format!("uri: {{prefix: /shared/}}, headers: {{tenant: {{exact: t{n}}}}}"),
            _ => format!("headers: {{user: {{exact: u{n}}}}}, sourceLabels: {{app: x{}}}", n % 7),
        };
        let _ = writeln!(
            out,
            "  - {{match: [{{{condition}}}], route: [{{destination: {{host: a.com, subset: v{}}}}}]}}",
            n % 3
        );
    }
    out
}

/// One VirtualService and one Gateway with so many hosts, some of them wildcards.
fn hosts(count: usize) -> String {
    let mut out = String::new();
    entry(&mut out, "a.com", "a", 80);
    let name = |n: usize| if n.is_multiple_of(3) { format!("'*.h{n}.org'") } else { format!("h{n}.org") };
    let all: Vec<String> = (0..count).map(name).collect();
    let all = all.join(", ");
    let _ = write!(
        out,
        "{HEAD}VirtualService\nmetadata: {{name: a}}\nspec:\n  gateways: [mesh, gate]\n  hosts: [{all}]\n  http: [{{route: [{{destination: {{host: a.com}}}}]}}]\n\
         {HEAD}Gateway\nmetadata: {{name: gate}}\nspec: {{servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [{all}]}}]}}\n"
    );
    out
}

/// So many services, each with its VirtualService at a gateway and within the mesh, and what is wrong with every tenth.
fn services(count: usize) -> String {
    let mut out = format!(
        "{HEAD}Gateway\nmetadata: {{name: gate}}\nspec: {{servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*.org']}}]}}\n\
         {HEAD}VirtualService\nmetadata: {{name: all}}\nspec: {{hosts: ['*.org'], http: [{{route: [{{destination: {{host: s0.org}}}}]}}]}}\n"
    );
    for n in 0..count {
        entry(&mut out, &format!("s{n}.org"), &format!("s{n}"), 80);
        let to = if n.is_multiple_of(10) { format!("s{n}.ogr") } else { format!("s{n}.org") };
        let _ = write!(
            out,
            "{HEAD}VirtualService\nmetadata: {{name: s{n}}}\nspec: {{hosts: [s{n}.org], gateways: [mesh, gate], http: [{{route: [{{destination: {{host: {to}}}}}]}}]}}\n"
        );
    }
    out
}

/// What this thread has had of the processor; the time of day where the system does not say. Others may keep the machine busy.
fn spent(start: Instant) -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = counted.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// How long validation and the compilation of all plans take, at best.
fn cost(text: &str) -> [Duration; 2] {
    let settings = Settings::default();
    let caller = format!(
        "{HEAD}WorkloadEntry\nmetadata: {{name: caller}}\nspec: {{address: 10.0.0.9, labels: {{app: x1}}}}\n"
    );
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", caller + text)).mesh;
    let start = Instant::now();
    let mut best = [Duration::MAX; 2];
    for _ in 0..3 {
        let begun = spent(start);
        let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
        let found = validate(&mesh, &registry, &settings);
        let validated = spent(start);
        let plans = mesh::plan::compile_all(&mesh, &registry, &settings, 1);
        std::hint::black_box(found);
        assert!(!plans.is_empty());
        best = [best[0].min(validated - begun), best[1].min(spent(start) - validated)];
    }
    best
}

#[test]
fn work_grows_with_the_size_of_the_mesh() {
    let kinds: [(&str, fn(usize) -> String, usize); 3] =
        [("routes", routes, 10_000), ("hosts", hosts, 20_000), ("services", services, 10_000)];
    for (name, make, most) in kinds {
        let count = if cfg!(debug_assertions) { most / 20 } else { most };
        let (half, whole) = (cost(&make(count / 2)), cost(&make(count)));
        for (what, half, whole) in [("validate", half[0], whole[0]), ("compile", half[1], whole[1])] {
            eprintln!("{what}: {count} {name} {whole:?}, half of them {half:?}");
            // Squares would be four times as long; what is short is mostly noise.
            let noise = Duration::from_millis(20);
            assert!(whole < half * 3 + noise, "{what}: {count} {name} {whole:?}, half of them {half:?}");
            if !cfg!(debug_assertions) {
                assert!(whole < Duration::from_secs(1), "{what}: {count} {name} take {whole:?}");
            }
        }
    }
}
